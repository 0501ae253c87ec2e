import { Kubernetes } from "../migration/engine/kubernetes";
import { readSettings } from "../migration/engine/settings";
import { untilArchiving } from "./archiving";
import type { ArchivePlace } from "./causes";
import { deadlineVariable, placeVariable } from "./settings";

// What `pulumi up` runs once the Cluster is there: progress on stderr, how long it took on stdout.
async function main(): Promise<void> {
  const place = JSON.parse(process.env[placeVariable] ?? "") as ArchivePlace;
  const kubernetes = new Kubernetes(readSettings(process.env));
  const seconds = await untilArchiving(kubernetes, place, Number(process.env[deadlineVariable]), (line) => {
    process.stderr.write(`[backups] ${line}\n`);
  });
  process.stdout.write(`${JSON.stringify({ seconds })}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
