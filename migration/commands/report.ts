import { Kubernetes } from "../engine/kubernetes";
import { renderReport } from "../engine/report";
import type { Settings } from "../engine/settings";
import { storedReport } from "../engine/stored-report";
import type { MigrationReport } from "../migration";

/**
 * Prints the report of the finished migration, as the target keeps it: as Markdown, or as the JSON that was signed.
 *
 * @returns exit code: 0, 3 where no migration has finished, 6 where the report is not what the migration signed
 */
export async function report(settings: Settings, options: { readonly json: boolean }): Promise<number> {
  const kubernetes = new Kubernetes(settings);
  await kubernetes.presentCluster();
  const stored = await storedReport(kubernetes, settings);
  if (stored === undefined) {
    process.stderr.write(
      `There is no report: no migration into ${settings.target.database} has finished. \`npm run migration -- status\` says how far it is.\n`,
    );
    return 3;
  }
  process.stdout.write(options.json ? `${stored.text}\n` : renderReport(JSON.parse(stored.text) as MigrationReport));
  if (stored.fault === undefined) return 0;
  process.stderr.write(`The stored report cannot be trusted: ${stored.fault}.\n`);
  return 6;
}
