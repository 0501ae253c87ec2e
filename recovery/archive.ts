/** One object of the bucket. */
export interface StoredObject {
  /** Whole key in the bucket. */
  readonly key: string;
  readonly bytes: number;
  /** When it was stored, by the store's clock, in milliseconds since 1970. */
  readonly stored: number;
}

/** What the bucket answered. */
export interface Listing {
  readonly objects: readonly StoredObject[];
  /** The text of each small file that says what an archive holds: `backup.info` of base backups, and timeline histories. By key. */
  readonly texts: Readonly<Record<string, string>>;
  /** When the last transaction ended that an archive's WAL holds, in milliseconds since 1970. By the folder of that WAL. */
  readonly commits: Readonly<Record<string, number>>;
  /** What could not be read of the newest WAL and the newest timelines' histories, and why. By the folder of that WAL and the file's name without suffix. */
  readonly unreadable: Readonly<Record<string, string>>;
}

/** A base backup, from its `backup.info`. */
export interface BaseBackup {
  /** What barman calls it: its beginning, e.g. 20261121T220310. */
  readonly id: string;
  /** What the operator called it, e.g. backup-20261121220310. */
  readonly name: string | undefined;
  readonly done: boolean;
  /** Milliseconds since 1970. */
  readonly end: number;
  /** The first segment that it needs, and the last that it needs to be consistent. */
  readonly beginWal: string;
  readonly endWal: string;
  readonly timeline: number;
  /** As it is stored, compressed. */
  readonly bytes: number;
}

/** Everything that is stored under one server name. */
export interface Archive {
  readonly server: string;
  /** By their ends, whole ones alone. */
  readonly backups: readonly BaseBackup[];
  /** WAL segments by name, with the time when they were stored. */
  readonly segments: ReadonlyMap<string, number>;
  /** The newest timeline, and where each of its ancestors ended. */
  readonly timelines: readonly Timeline[];
  /** When the last transaction ended that the WAL holds, by the database's clock; undefined where the last segments hold the end of none. */
  readonly lastCommit: number | undefined;
  /** Files of WAL that are damaged, by name, and what the tool says that reads them. Only the newest segments and the newest history were tried. */
  readonly unreadable: ReadonlyMap<string, string>;
  /** Bytes of one WAL segment. */
  readonly segmentBytes: number;
}

/** A timeline, and the number of the segment that it begins in. */
export interface Timeline {
  readonly id: number;
  readonly begins: number;
}

const defaultSegmentBytes = 16 * 1024 ** 2;

/**
 * What lies in the bucket, by server name.
 *
 * The layout is barman's (docs of barman-cloud 3.x): `<prefix>/<server>/base/<id>/backup.info` and `data.tar…`, `<prefix>/<server>/wals/<16 digits>/<segment>…`,
 * `<prefix>/<server>/wals/<timeline>.history…`; the dots are suffixes of compression.
 *
 * @param prefix of the keys, without slashes at its ends
 */
export function archives({ objects, texts, commits, unreadable }: Listing, prefix: string): Archive[] {
  const before = prefix === "" ? "" : `${prefix}/`;
  const byServer = new Map<string, StoredObject[]>();
  for (const object of objects) {
    const server = object.key.startsWith(before) ? object.key.slice(before.length).split("/") : [];
    if (server[0] === undefined || server.length < 3) continue;
    byServer.set(server[0], [...(byServer.get(server[0]) ?? []), object]);
  }
  return [...byServer]
    .map(([server, held]) => {
      const wals = `${before}${server}/wals`;
      const damaged = Object.entries(unreadable).filter(([file]) => file.startsWith(`${wals}/`));
      return {
        ...archive(server, `${before}${server}/`, held, texts),
        lastCommit: commits[wals],
        unreadable: new Map(damaged.map(([file, why]) => [file.slice(wals.length + 1), why])),
      };
    })
    .sort((one, other) => (one.server < other.server ? -1 : 1));
}

function archive(
  server: string,
  root: string,
  objects: readonly StoredObject[],
  texts: Listing["texts"],
): Omit<Archive, "lastCommit" | "unreadable"> {
  const segments = new Map<string, number>();
  const histories = new Map<number, string>();
  const sizes = new Map<string, number>();
  const backups: BaseBackup[] = [];
  let segmentBytes = defaultSegmentBytes;
  for (const { key, bytes, stored } of objects) {
    const [kind, folder = "", ...rest] = key.slice(root.length).split("/");
    const file = rest.at(-1) ?? folder;
    if (kind === "base") sizes.set(folder, (sizes.get(folder) ?? 0) + bytes);
    if (kind !== "wals") continue;
    const segment = /^([0-9A-F]{24})(?:\.(?!partial|[0-9A-F]{8}\.backup)\w+)?$/.exec(file)?.[1];
    if (segment !== undefined) segments.set(segment, stored);
    const history = /^([0-9A-F]{8})\.history/.exec(file)?.[1];
    if (history !== undefined) histories.set(parseInt(history, 16), texts[key] ?? "");
  }
  for (const [key, text] of Object.entries(texts)) {
    const id = key.startsWith(root) ? /^base\/([^/]+)\/backup\.info$/.exec(key.slice(root.length))?.[1] : undefined;
    if (id === undefined) continue;
    const info = fields(text);
    segmentBytes = Number(info.get("xlog_segment_size") ?? segmentBytes);
    backups.push({
      id,
      name: info.get("backup_name"),
      done: info.get("status") === "DONE" && info.has("end_time") && info.has("begin_wal") && info.has("end_wal"),
      end: Date.parse((info.get("end_time") ?? "").replace(" ", "T")),
      beginWal: info.get("begin_wal") ?? "",
      endWal: info.get("end_wal") ?? "",
      timeline: Number(info.get("timeline") ?? 1),
      bytes: sizes.get(id) ?? 0,
    });
  }
  const newest = Math.max(
    1,
    ...histories.keys(),
    ...[...segments.keys()].map((name) => parseInt(name.slice(0, 8), 16)),
  );
  return {
    server,
    backups: backups.filter(({ done, end }) => done && !Number.isNaN(end)).sort((one, other) => one.end - other.end),
    segments,
    timelines: timelines(newest, histories.get(newest) ?? "", segmentBytes),
    segmentBytes,
  };
}

/** `key=value` lines; None is Python's word for no value. */
function fields(text: string): Map<string, string> {
  return new Map(
    text.split("\n").flatMap((line): [string, string][] => {
      const at = line.indexOf("=");
      const value = line.slice(at + 1).trim();
      return at < 1 || value === "None" || value === "" ? [] : [[line.slice(0, at).trim(), value]];
    }),
  );
}

/**
 * A timeline and its ancestors, oldest first.
 *
 * @param history lines of `<ancestor> <tab> <LSN where it ended> <tab> <why>` (src/backend/access/transam/timeline.c)
 */
export function timelines(id: number, history: string, segmentBytes: number): Timeline[] {
  const chain: Timeline[] = [];
  let begins = 0;
  for (const line of history.split("\n")) {
    const [, ancestor, high = "0", low = "0"] = /^\s*(\d+)\s+([0-9A-F]+)\/([0-9A-F]+)/i.exec(line) ?? [];
    if (ancestor === undefined) continue;
    chain.push({ id: Number(ancestor), begins });
    begins = parseInt(high, 16) * (2 ** 32 / segmentBytes) + Math.floor(parseInt(low, 16) / segmentBytes);
  }
  return [...chain, { id, begins }];
}

/** Number of a segment, counted on through all log files. */
export function segmentNumber(name: string, segmentBytes: number): number {
  return parseInt(name.slice(8, 16), 16) * (2 ** 32 / segmentBytes) + parseInt(name.slice(16, 24), 16);
}

/** Name of the segment with this number on a timeline. */
export function segmentName(timeline: number, number: number, segmentBytes: number): string {
  const perLog = 2 ** 32 / segmentBytes;
  return [timeline, Math.floor(number / perLog), number % perLog]
    .map((part) => part.toString(16).toUpperCase().padStart(8, "0"))
    .join("");
}

/** How far a base backup can be recovered. */
export interface Reach {
  readonly backup: BaseBackup;
  /** Segments from the backup's first, without a gap. */
  readonly segments: readonly string[];
  /**
   * Every time before this one, and after the backup's end, can be recovered, in milliseconds: PostgreSQL stops at the first transaction that ended later, and
   * is not content where there is none. undefined where the segments do not even make the backup consistent.
   */
  readonly until: number | undefined;
  /** The first segment that is not there though later ones are, or is there and cannot be read. */
  readonly missing: string | undefined;
}

/**
 * Follows the WAL from a base backup's beginning, over timelines, to the first gap or the end. What a segment before a gap holds is not known: as much as had
 * been stored before it lies before its end.
 */
export function reach(archive: Archive, backup: BaseBackup): Reach {
  const { segments, timelines: chain, segmentBytes, lastCommit, unreadable } = archive;
  const on = (number: number) => chain.findLast(({ begins }) => begins <= number)?.id ?? backup.timeline;
  const last = Math.max(-1, ...[...segments.keys()].map((name) => segmentNumber(name, segmentBytes)));
  const consistent = segmentNumber(backup.endWal, segmentBytes);
  const there: string[] = [];
  let before = backup.end;
  let until = backup.end;
  let missing: string | undefined;
  for (let number = segmentNumber(backup.beginWal, segmentBytes); number <= Math.max(last, consistent); number++) {
    const name = segmentName(on(number), number, segmentBytes);
    const stored = segments.get(name);
    if (stored === undefined || unreadable.has(name)) {
      missing = name;
      break;
    }
    there.push(name);
    before = until;
    // Several are stored side by side, so that the times need not rise.
    until = Math.max(until, stored);
  }
  const newest = there.at(-1);
  const usable = newest !== undefined && segmentNumber(newest, segmentBytes) >= consistent;
  const end = missing === undefined ? Math.max(backup.end, lastCommit ?? until) : before;
  return { backup, segments: there, until: usable ? end : undefined, missing };
}

/** From when to when an archive can be recovered, in milliseconds since 1970: all that lies between the two, the first included, the second not. */
export interface Window {
  readonly from: number;
  readonly to: number;
}

/**
 * The times that an archive can be recovered to. More than one window where WAL is missing between two base backups; none where no base backup is whole,
 * or its own WAL is missing.
 */
export function windows(archive: Archive): Window[] {
  const found: Window[] = [];
  for (const backup of archive.backups) {
    const { until } = reach(archive, backup);
    if (until === undefined) continue;
    const previous = found.at(-1);
    if (previous !== undefined && backup.end <= previous.to) {
      found[found.length - 1] = { from: previous.from, to: Math.max(previous.to, until) };
    } else {
      found.push({ from: backup.end, to: until });
    }
  }
  return found;
}

/** The base backup that the plugin begins with: the newest that had ended by then (barman-cloud pkg/catalog, findClosestBackupFromTargetTime). */
export function backupFor({ backups }: Archive, milliseconds: number): BaseBackup | undefined {
  return backups.findLast(({ end }) => end <= milliseconds);
}
