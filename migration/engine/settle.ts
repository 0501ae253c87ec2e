import { setTimeout as sleep } from "node:timers/promises";
import type { BackupSpec } from "../../components/backups";
import { humanBytes } from "./events";
import { MigrationFailure } from "./failure";
import { FirstBackup } from "./first-backup";
import { type ClusterObject, Kubernetes } from "./kubernetes";
import { readRecord } from "./record";
import { literal, type Settings } from "./settings";

/** How often is looked, and how often something is said at most, in milliseconds. */
const pause = 1000;
const silence = 5000;

/** When it gives up, in milliseconds: nothing at all has moved, or for all that moves no further instance has come to stream. */
const stillLimit = 15 * 60_000;
const fruitlessLimit = 2 * 60 * 60_000;

/**
 * How long it took from the start of the run that finished until its data was verified, all instances streamed and, where there are backups, a base
 * backup and all WAL lay in the store.
 */
export interface TimeToSafe {
  readonly seconds: number;
  readonly instances: number;
}

/** What the primary says of its replicas. */
export interface Replication {
  readonly replicas: readonly {
    readonly name: string;
    /** `streaming` is one that has caught up. */
    readonly state: string;
    readonly sync: string;
    /** Bytes of WAL that it has not replayed. */
    readonly behind: number | null;
  }[];
  /** Replicas that are being made. */
  readonly copies: readonly { readonly phase: string; readonly done: number; readonly total: number | null }[];
}

const replication = `SELECT json_build_object(
  'replicas', (SELECT coalesce(json_agg(json_build_object('name', application_name, 'state', state, 'sync', sync_state,
      'behind', pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)) ORDER BY application_name), '[]') FROM pg_stat_replication),
  'copies', (SELECT coalesce(json_agg(json_build_object('phase', phase, 'done', backup_streamed, 'total', backup_total) ORDER BY pid), '[]')
    FROM pg_stat_progress_basebackup))`;

/** How far a Cluster has come. */
export interface Progress {
  readonly settled: boolean;
  /** A replica is about to be copied. */
  readonly waitsForCheckpoint: boolean;
  readonly streaming: number;
  readonly line: string;
}

/** How far a Cluster is from `instances` instances that are ready, stream, and confirm commits as its spec wants. */
export function progress(
  instances: number,
  { spec, status }: ClusterObject,
  { replicas, copies }: Replication,
): Progress {
  // A replica that is being made streams too, under a name that is no instance's.
  const standbys = replicas.filter(({ name }) => status?.instanceNames?.includes(name) === true);
  const streaming = standbys.filter(({ state }) => state === "streaming");
  const confirming = streaming.filter(({ sync }) => sync === "sync" || sync === "quorum").length;
  const wanted = spec.postgresql?.synchronous?.number ?? 0;
  const ready = status?.readyInstances ?? 0;
  const parts = [
    `${ready} of ${instances} instances ready, ${streaming.length} of ${instances - 1} replicas streaming`,
    ...copies.map(({ phase, done, total }) =>
      [
        `a replica is copied: ${phase}`,
        ...(done > 0 ? [humanBytes(done)] : []),
        ...(total === null ? [] : [`of ${humanBytes(total)}`]),
      ].join(" "),
    ),
    ...standbys
      .filter(({ state }) => state !== "streaming")
      .map(({ name, state, behind }) => `${name}: ${state}${behind === null ? "" : `, ${humanBytes(behind)} behind`}`),
    ...(streaming.length === instances - 1 && confirming < wanted ? [`${confirming} of ${wanted} synchronous`] : []),
    ...(ready === instances || status?.phase === undefined ? [] : [status.phase]),
  ];
  return {
    settled: ready === instances && streaming.length === instances - 1 && confirming >= wanted,
    waitsForCheckpoint: copies.some(({ phase }) => phase === "waiting for checkpoint to finish"),
    streaming: streaming.length,
    line: parts.join("; "),
  };
}

/** A primary that does not answer may just be another one's turn: that is waited for as anything else is. */
async function look(kubernetes: Kubernetes, instances: number, cluster: ClusterObject): Promise<Progress> {
  let answer;
  try {
    answer = await kubernetes.control(replication);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { settled: false, waitsForCheckpoint: false, streaming: 0, line: `the primary does not answer: ${reason}` };
  }
  return progress(instances, cluster, JSON.parse(answer) as Replication);
}

/** What is recorded; null where nothing is yet, and undefined where no migration has finished. */
async function recordedTime(kubernetes: Kubernetes, database: string): Promise<TimeToSafe | null | undefined> {
  if ((await readRecord(kubernetes, database)).marker === null) return undefined;
  const text = await kubernetes.control(
    `SELECT coalesce(to_jsonb(m) -> 'time_to_safe', 'null') FROM naytife_migration.marker m WHERE target_database = ${literal(database)}`,
  );
  return JSON.parse(text) as TimeToSafe | null;
}

/** Records the time beside the marker's report, which is the Job's word and nobody's to change, and returns it. */
async function record(kubernetes: Kubernetes, database: string, instances: number): Promise<TimeToSafe> {
  const mine = `target_database = ${literal(database)}`;
  const text = await kubernetes.control(
    "SET client_min_messages = warning",
    "ALTER TABLE naytife_migration.marker ADD COLUMN IF NOT EXISTS time_to_safe jsonb",
    `UPDATE naytife_migration.marker AS m SET time_to_safe = jsonb_build_object('instances', ${instances}, 'seconds',
       (SELECT round(extract(epoch FROM clock_timestamp() - min(started)), 1) FROM naytife_migration.phase WHERE run = m.run AND ${mine}))
     WHERE ${mine} AND time_to_safe IS NULL`,
    `SELECT time_to_safe FROM naytife_migration.marker WHERE ${mine}`,
  );
  return JSON.parse(text) as TimeToSafe;
}

/** What has to be there before the data is safe. */
export interface Safety {
  readonly instances: number;
  /** A base backup of the Cluster; undefined: without backups. */
  readonly backup: BackupSpec | undefined;
}

/**
 * Waits until all instances are ready and stream, and the first base backup after the migration and all WAL lie in the store; and records how long that
 * took from the migration's start, unless it is recorded already. It changes nothing else, whatever comes, but asks for a base backup where none comes by
 * itself.
 *
 * @param say receives a line of progress.
 * @returns what is recorded, or undefined where no migration has finished
 * @throws MigrationFailure with what is missing and what to do next.
 */
export async function settle(
  settings: Settings,
  { instances, backup }: Safety,
  say: (line: string) => void,
): Promise<TimeToSafe | undefined> {
  const kubernetes = new Kubernetes(settings);
  const { namespace, target } = settings;
  await kubernetes.presentCluster();
  const recorded = await recordedTime(kubernetes, target.database);
  const completed = (await readRecord(kubernetes, target.database)).marker?.completed;
  const firstBackup =
    backup === undefined || recorded !== null || completed === undefined
      ? undefined
      : new FirstBackup(kubernetes, settings, backup, new Date(completed));
  let said = { line: "", at: 0 };
  let last = { line: "", at: Date.now() };
  let most = { streaming: 0, at: Date.now() };
  for (;;) {
    const cluster = (await kubernetes.cluster()) ?? (await kubernetes.presentCluster());
    const growth = await look(kubernetes, instances, cluster);
    const { waitsForCheckpoint, streaming } = growth;
    const backedUp = await firstBackup?.look(cluster);
    const line = [growth.line, ...(backedUp === undefined ? [] : [backedUp.line])].join("; ");
    const settled = growth.settled && backedUp?.settled !== false;
    const at = Date.now();
    if (line !== last.line) last = { line, at };
    if (streaming > most.streaming || growth.settled) most = { streaming, at };
    if (line !== said.line && (settled || at - said.at > silence)) {
      say(line);
      said = { line, at };
    }
    if (settled) break;
    if (at - last.at > stillLimit || at - most.at > fruitlessLimit) {
      const pods = await kubernetes.unready(`cnpg.io/cluster=${target.cluster}`);
      throw new MigrationFailure(
        `the Cluster has not come to its full size, or not to its first backup: ${[line, ...pods].join("; ")}`,
        `Nothing is undone. ${target.database} holds the data, verified; the Cluster goes on growing by itself.`,
        `Look for the cause: kubectl -n ${namespace} get pods -l cnpg.io/cluster=${target.cluster}, and get events --sort-by=.lastTimestamp. Then run \`pulumi up\` again: it waits for what is left.`,
      );
    }
    // The operator's copies wait for a checkpoint that is spread over minutes, to be gentle on clients. Until the data is safe, those wait for the copy.
    if (waitsForCheckpoint && recorded === null) await kubernetes.control("CHECKPOINT").catch(() => undefined);
    await sleep(pause);
  }
  return recorded === null ? record(kubernetes, target.database, instances) : recorded;
}
