import { type Archive, backupFor, type BaseBackup, reach, type Window, windows } from "./archive";
import type { Instant } from "./target-time";

/** Where a recovery ends. */
export type Target =
  /** With all WAL that is there. */
  | { readonly kind: "latest" }
  /** With the last commit that is not later. */
  | { readonly kind: "time"; readonly instant: Instant }
  /** As soon as the named base backup is consistent. The name is the Backup object's, barman's or the operator's. */
  | { readonly kind: "backup"; readonly name: string };

/** What is going to be recovered, and how much there is to do. */
export interface RecoveryPlan {
  readonly backup: BaseBackup;
  /** WAL segments that have to be replayed. With a time the last ones may not be needed. */
  readonly segments: readonly string[];
  /** Where it ends, in milliseconds since 1970. */
  readonly until: number;
}

/** A target in words. */
export function targetWords(target: Target): string {
  switch (target.kind) {
    case "latest":
      return "the latest archived commit";
    case "time":
      return target.instant.text;
    case "backup":
      return `the end of base backup ${target.name}`;
  }
}

/** Milliseconds since 1970 as a person reads and writes them, in UTC. Downwards: what lies in a window by its printed end does so by its true one. */
export function stamp(milliseconds: number): string {
  return `${new Date(Math.floor(milliseconds / 1000) * 1000).toISOString().slice(0, 19)}Z`;
}

/** The windows of an archive in words, narrowed to whole seconds, so that their ends can be said as they are printed. */
export function windowWords(found: readonly Window[]): string {
  if (found.length === 0) return "nothing";
  return found
    .map(({ from, to }) => {
      const [first, last] = [Math.ceil(from / 1000) * 1000, Math.ceil(to / 1000) * 1000 - 1000];
      return first > last ? `the base backup that ended ${stamp(from)}` : `${stamp(first)} to ${stamp(last)}`;
    })
    .join(", and ");
}

/**
 * What a recovery of this archive begins with and has to replay.
 *
 * @param backupId barman's name for the base backup that the target names, where its Backup object is there and says it
 * @returns what is wrong, where the archive does not reach the target: the operator would try it again for ever
 */
export function planRecovery(
  archive: Archive,
  target: Target,
  backupId?: string,
): { readonly plan: RecoveryPlan } | { readonly problem: string } {
  const window = `It can be recovered: ${windowWords(windows(archive))}`;
  if (archive.backups.length === 0) {
    return { problem: `there is no whole base backup of ${archive.server} in the bucket: WAL alone recovers nothing` };
  }
  const backup = chosen(archive, target, backupId);
  if (backup === undefined) {
    return {
      problem:
        target.kind === "backup"
          ? `there is no whole base backup ${target.name} of ${archive.server}; there is: ${archive.backups.map(names).join(", ")}`
          : `${targetWords(target)} lies before the end of the first base backup. ${window}`,
    };
  }
  const history = [...archive.unreadable.keys()].find((file) => file.endsWith(".history"));
  if (history !== undefined) {
    return {
      problem: `${history}, which says which WAL belongs together, cannot be read: ${archive.unreadable.get(history) ?? ""}. PostgreSQL needs it, too`,
    };
  }
  const { segments, until, missing } = reach(archive, backup);
  if (until === undefined) {
    return {
      problem: `${lacking(archive, missing ?? backup.beginWal)}, without which base backup ${backup.id} is not consistent. ${window}`,
    };
  }
  const everything = { plan: { backup, segments, until } };
  switch (target.kind) {
    case "backup": {
      const own = segments.slice(0, segments.findIndex((name) => name.slice(8) === backup.endWal.slice(8)) + 1);
      return { plan: { backup, segments: own, until: backup.end } };
    }
    case "latest":
      if (missing === undefined) return everything;
      return {
        problem: `${lacking(archive, missing)}, and it is not the end of the archive: a recovery to the latest would end before it without a word. ${window}`,
      };
    case "time": {
      const { milliseconds, text } = target.instant;
      if (milliseconds >= until) {
        return {
          problem:
            missing === undefined
              ? `${text} is not before the last commit that was archived (--latest has it). ${window}`
              : `${lacking(archive, missing)}, which is needed for ${text}. ${window}`,
        };
      }
      // What was committed by then lies in no segment that was begun after the first one that was stored later.
      const last = segments.findIndex((name) => (archive.segments.get(name) ?? 0) >= milliseconds);
      return { plan: { backup, segments: last === -1 ? segments : segments.slice(0, last + 1), until: milliseconds } };
    }
  }
}

/** What is wrong with a segment that a recovery does not come over. */
export function lacking({ unreadable }: Pick<Archive, "unreadable">, segment: string): string {
  const why = unreadable.get(segment);
  return `WAL segment ${segment} ${why === undefined ? "is missing" : `cannot be read (${why})`}`;
}

function chosen(archive: Archive, target: Target, backupId: string | undefined): BaseBackup | undefined {
  switch (target.kind) {
    case "latest":
      return archive.backups.at(-1);
    case "time":
      return backupFor(archive, target.instant.milliseconds);
    case "backup":
      return archive.backups.find(({ id, name }) => id === (backupId ?? target.name) || name === target.name);
  }
}

function names({ id, name, end }: BaseBackup): string {
  return `${name ?? id} (${stamp(end)})`;
}

/**
 * A name for the recovered Cluster that nobody has: the former one's with -r1, -r2, …
 *
 * @param taken names of Clusters that are there, and server names that the bucket holds
 */
export function freeName(former: string, taken: readonly string[]): string {
  const stem = former.replace(/-r\d+$/, "");
  for (let number = 1; ; number++) {
    const name = `${stem}-r${number}`;
    if (!taken.includes(name)) return name;
  }
}
