import type { Listing } from "../recovery/archive";

/** 2026-11-21T22:00:00Z; tests count minutes from here. */
export const midnightMinus2 = Date.parse("2026-11-21T22:00:00Z");

/** Milliseconds of so many minutes after {@link midnightMinus2}. */
export function at(minutes: number): number {
  return midnightMinus2 + minutes * 60_000;
}

/** Makes the listing of a bucket, as barman-cloud lays it out. */
export class Bucket {
  private readonly objects: { key: string; bytes: number; stored: number }[] = [];
  private readonly texts: Record<string, string> = {};
  private readonly commits: Record<string, number> = {};
  private readonly damaged: Record<string, string> = {};

  constructor(private readonly prefix = "local") {}

  /** A whole base backup that ends at this minute and needs these two segments, unless said otherwise. */
  backup(
    server: string,
    id: string,
    end: number,
    [beginWal, endWal]: readonly [string, string],
    { status = "DONE", timeline = 1, name = `backup-${id}` } = {},
  ): this {
    const folder = `${this.prefix}/${server}/base/${id}`;
    this.put(`${folder}/data.tar.gz`, 4_000_000, end);
    this.put(`${folder}/backup.info`, 1200, end);
    this.texts[`${folder}/backup.info`] = [
      "backup_label=None",
      `backup_name=${name}`,
      `begin_wal=${beginWal}`,
      `begin_time=${iso(end - 1)}`,
      `end_time=${iso(end)}`,
      `end_wal=${endWal}`,
      `status=${status}`,
      `timeline=${timeline}`,
      "xlog_segment_size=16777216",
      "",
    ].join("\n");
    return this;
  }

  segment(server: string, name: string, minute: number, suffix = ".gz"): this {
    return this.put(`${this.prefix}/${server}/wals/${name.slice(0, 16)}/${name}${suffix}`, 50_000, minute);
  }

  history(server: string, timeline: number, text: string, minute: number): this {
    const key = `${this.prefix}/${server}/wals/${timeline.toString(16).toUpperCase().padStart(8, "0")}.history.gz`;
    this.texts[key] = text;
    return this.put(key, 100, minute);
  }

  put(key: string, bytes: number, minute: number): this {
    this.objects.push({ key, bytes, stored: at(minute) });
    return this;
  }

  /** The last transaction in an archive ended at this minute. */
  lastCommit(server: string, minute: number): this {
    this.commits[`${this.prefix}/${server}/wals`] = at(minute);
    return this;
  }

  /** A segment, or a history, that nobody can read. */
  unreadable(server: string, file: string, why: string): this {
    this.damaged[`${this.prefix}/${server}/wals/${file}`] = why;
    return this;
  }

  listing(): Listing {
    return { objects: this.objects, texts: this.texts, commits: this.commits, unreadable: this.damaged };
  }
}

function iso(minute: number): string {
  return new Date(at(minute)).toISOString().replace("Z", "+00:00");
}

/** Name of a segment of the first log file. */
export function segment(number: number, timeline = 1): string {
  return [timeline, 0, number].map((part) => part.toString(16).toUpperCase().padStart(8, "0")).join("");
}
