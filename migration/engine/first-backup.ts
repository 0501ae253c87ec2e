import type { BackupSpec } from "../../components/backups";
import { MigrationFailure } from "./failure";
import type { BackupObject, ClusterObject, Kubernetes } from "./kubernetes";
import type { Settings } from "./settings";

/** How long the schedule's own first backup is waited for before one is asked for here, in milliseconds. */
const patience = 30_000;

/** WAL segments that are finished and not archived yet. */
const backlog = "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'";

/** How far the first base backup after the migration is. */
export interface BackupProgress {
  readonly settled: boolean;
  readonly line: string;
}

/**
 * Waits for a base backup that was begun after the migration had ended, and for an empty WAL backlog: from then on the data outlives the cluster. Where
 * nobody else makes one, or it failed, it is asked for, once.
 */
export class FirstBackup {
  private readonly began = Date.now();
  private asked: string | undefined;

  /**
   * @param spec of a base backup of the Cluster
   * @param since when the migration ended, as the marker says
   */
  constructor(
    private readonly kubernetes: Pick<Kubernetes, "backups" | "createBackup" | "control">,
    private readonly settings: Settings,
    private readonly spec: BackupSpec,
    private readonly since: Date,
  ) {}

  /** @throws MigrationFailure where the backup that was asked for here failed */
  async look(cluster: ClusterObject): Promise<BackupProgress> {
    const backups = backupsSince(await this.kubernetes.backups(), this.since);
    const completed = backups.find(({ status }) => status?.phase === "completed");
    if (completed !== undefined) return this.drained(cluster, completed);
    const underWay = backups.find(({ status }) => status?.phase !== "failed");
    if (underWay !== undefined) {
      const { metadata, status } = underWay;
      return {
        settled: false,
        line: [`base backup ${metadata.name}: ${status?.phase ?? "new"}`, ...archiving(cluster)].join("; "),
      };
    }
    const [failed] = backups;
    if (failed !== undefined && failed.metadata.name === this.asked) throw this.failure(failed);
    if (failed === undefined && Date.now() - this.began < patience) {
      return { settled: false, line: "no base backup yet" };
    }
    this.asked = await this.kubernetes.createBackup(this.spec);
    return { settled: false, line: `base backup ${this.asked}: asked for` };
  }

  private async drained(cluster: ClusterObject, { metadata }: BackupObject): Promise<BackupProgress> {
    const segments = Number(await this.kubernetes.control(backlog));
    const done = `base backup ${metadata.name} completed`;
    return segments === 0
      ? { settled: true, line: `${done}, all WAL archived` }
      : {
          settled: false,
          line: [`${done}, ${segments} WAL segments wait for the archive`, ...archiving(cluster)].join("; "),
        };
  }

  private failure({ metadata, status }: BackupObject): MigrationFailure {
    const { namespace, target } = this.settings;
    return new MigrationFailure(
      `the base backup ${metadata.name} failed: ${status?.error ?? "no reason is given"}`,
      `Nothing is undone. ${target.database} holds the data, verified; it has no base backup yet.`,
      `Look at the store and its credentials: kubectl -n ${namespace} logs ${target.cluster}-1 -c plugin-barman-cloud. Then run \`pulumi up\` again: it asks for another one.`,
    );
  }
}

/** The backups that were begun after a time, the latest first. */
export function backupsSince(backups: readonly BackupObject[], since: Date): BackupObject[] {
  // Kubernetes' times are whole seconds.
  const from = Math.floor(since.getTime() / 1000) * 1000;
  const created = ({ metadata }: BackupObject) => Date.parse(metadata.creationTimestamp);
  return backups.filter((backup) => created(backup) >= from).sort((one, other) => created(other) - created(one));
}

/** What keeps WAL from being archived, in the operator's words. */
function archiving({ status }: ClusterObject): string[] {
  const condition = status?.conditions?.find(({ type }) => type === "ContinuousArchiving");
  return condition?.status === "False" ? [`archiving fails: ${condition.message ?? condition.reason ?? ""}`] : [];
}
