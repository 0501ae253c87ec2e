import type { BackupSpec } from "../../components/backups";
import { Engine } from "./engine";
import { MigrationFailure } from "./failure";
import { activeVariable, backupVariable, instancesVariable, readSettings } from "./settings";
import { settle } from "./settle";
import { printer } from "./terminal";

// What `pulumi up` runs: progress on stderr, the report alone on stdout. `settle` as an argument waits until all instances stream and a base backup is made, `verify` compares and
// changes nothing.
async function main(): Promise<void> {
  const settings = readSettings(process.env);
  const say = printer(process.stderr);
  const engine = new Engine(settings, say);
  if (process.argv[2] === "settle") {
    const backup = process.env[backupVariable];
    const recorded = await settle(
      settings,
      {
        instances: Number(process.env[instancesVariable]),
        backup: backup === undefined ? undefined : (JSON.parse(backup) as BackupSpec),
      },
      say,
    );
    process.stdout.write(`${JSON.stringify(recorded ?? null)}\n`);
  } else if (process.argv[2] === "verify") {
    await engine.verify();
    process.stdout.write("equal\n");
  } else {
    const active = process.env[activeVariable] === "source" ? "source" : "target";
    process.stdout.write(`${await engine.migrate(active)}\n`);
  }
}

main().catch((error: unknown) => {
  const text =
    error instanceof MigrationFailure
      ? error.message
      : `Migration: ${error instanceof Error ? error.message : String(error)}\n  Next: The Job, if it was started, goes on by itself; run \`pulumi up\` again.`;
  process.stderr.write(`${text}\n`);
  process.exitCode = 1;
});
