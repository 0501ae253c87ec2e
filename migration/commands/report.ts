import { Kubernetes } from "../engine/kubernetes";
import { readRecord } from "../engine/record";
import type { Settings } from "../engine/settings";

/** Prints the report of the finished migration, as the target keeps it. @returns exit code: 0, or 3 where no migration has finished */
export async function report(settings: Settings): Promise<number> {
  const kubernetes = new Kubernetes(settings);
  await kubernetes.presentCluster();
  const { marker } = await readRecord(kubernetes, settings.target.database);
  if (marker === null) {
    process.stderr.write(
      `There is no report: no migration into ${settings.target.database} has finished. \`npm run migration -- status\` says how far it is.\n`,
    );
    return 3;
  }
  process.stdout.write(`${JSON.stringify(marker.report, null, 2)}\n`);
  return 0;
}
