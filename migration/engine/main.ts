import { Engine } from "./engine";
import { MigrationFailure } from "./failure";
import { activeVariable, readSettings } from "./settings";
import { printer } from "./terminal";

// What `pulumi up` runs: progress on stderr, the report alone on stdout. `verify` as an argument compares and changes nothing.
async function main(): Promise<void> {
  const settings = readSettings(process.env);
  const engine = new Engine(settings, printer(process.stderr));
  if (process.argv[2] === "verify") {
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
