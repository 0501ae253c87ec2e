import { humanBytes, humanSeconds } from "../migration/engine/events";
import type { BaseBackup } from "./archive";
import { stamp } from "./plan";
import type { Check, Contents } from "./verification";

/** How long each part of a recovery took, in seconds. */
export interface Times {
  readonly preflight: number;
  readonly baseBackup: number;
  readonly replay: number;
  /** From the command's beginning until the first instance took connections: the recovery time. */
  readonly firstInstance: number;
  /** The same until all instances did. */
  readonly allInstances: number;
  readonly verification: number;
}

/** What was recovered, and whether it is what was asked for. Without a secret. */
export interface RecoveryReport {
  readonly cluster: string;
  readonly namespace: string;
  /** Folder of the archive. */
  readonly from: string;
  readonly target: string;
  readonly began: string;
  readonly baseBackup: Pick<BaseBackup, "id" | "bytes"> & { readonly end: string };
  readonly segments: number;
  /** As PostgreSQL wrote it; null: none was replayed. */
  readonly lastCommit: string | null;
  readonly contents: Contents;
  readonly checks: readonly Check[];
  readonly seconds: Times;
}

/** The end of a base backup for a report. */
export function reportedBackup({ id, bytes, end }: BaseBackup): RecoveryReport["baseBackup"] {
  return { id, bytes, end: stamp(end) };
}

/** Whether the recovered Cluster may become the application's. */
export function sound({ checks }: RecoveryReport): boolean {
  return checks.every(({ passed }) => passed);
}

/** A report for a person. */
export function renderReport(report: RecoveryReport): string {
  const { contents, seconds, baseBackup } = report;
  const rows = contents.tables.reduce((sum, table) => sum + table.rows, 0);
  const lines = [
    sound(report)
      ? `Recovered: Cluster ${report.cluster} in namespace ${report.namespace}, from ${report.from} to ${report.target}`
      : `NOT AS ASKED: Cluster ${report.cluster} in namespace ${report.namespace}, from ${report.from} to ${report.target}`,
  ];
  const line = (what: string, text: string) => lines.push(`  ${what.padEnd(12)} ${text}`);
  line("base backup", `${baseBackup.id}, ended ${baseBackup.end}, ${humanBytes(baseBackup.bytes)}`);
  line("WAL", `${report.segments} segments replayed`);
  line("last commit", report.lastCommit ?? "none after the base backup");
  line("server", `PostgreSQL ${contents.postgresql}, timeline ${contents.timeline}`);
  line("contents", `${rows} rows in ${contents.tables.length} tables`);
  line(
    "canary",
    contents.canary === null
      ? "no row of the restore drill"
      : `the restore drill's newest row is of ${contents.canary}`,
  );
  for (const { check, passed, detail } of report.checks) line(passed ? "ok" : "FAILED", `${check}: ${detail}`);
  if (contents.indexes === null) line("not checked", "indexes: the image has no amcheck");
  line(
    "time",
    `${humanSeconds(seconds.firstInstance)} until it took connections (preflight ${humanSeconds(seconds.preflight)}, base backup ${humanSeconds(seconds.baseBackup)}, ` +
      `WAL ${humanSeconds(seconds.replay)}), ${humanSeconds(seconds.allInstances)} until all instances did`,
  );
  return `${lines.join("\n")}\n`;
}
