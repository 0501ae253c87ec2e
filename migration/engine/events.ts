/** How far one table is that is being copied, in bytes of the source. */
export interface TableProgress {
  readonly name: string;
  readonly done: number;
  readonly total: number;
  readonly rows: number;
}

/** One line of the Job's log that is meant for the engine. Anything else in the log is a tool's own message. */
export interface MigrationEvent {
  readonly phase: string;
  readonly event:
    | "started"
    | "finished"
    | "progress"
    | "note"
    | "warning"
    | "failed"
    | "finished-all"
    | "finding"
    | "fact"
    | "hold"
    | "switched";
  readonly text?: string;
  /** Of `progress`: how far, of how much (null: unknown), in which unit, and what is being worked on. */
  readonly done?: number;
  readonly total?: number | null;
  readonly unit?: string;
  readonly item?: string;
  /** Of the copy's `progress`: rows that are there, and the tables that are under way. */
  readonly rows?: number;
  readonly tables?: readonly TableProgress[];
  /** Of `failed`, and `next` of `finding` too. */
  readonly untouched?: string;
  readonly next?: string;
  /** Of `finding`. */
  readonly severity?: "blocker" | "warning" | "info";
  /** Of `fact`: one of the measurements of a plan. */
  readonly name?: string;
  readonly value?: unknown;
}

/** The event in a line of the log, or undefined if the line is none. */
export function parseEvent(line: string): MigrationEvent | undefined {
  if (!/^\{"phase" ?:/.test(line)) {
    return undefined;
  }
  try {
    return JSON.parse(line) as MigrationEvent;
  } catch {
    return undefined;
  }
}

/** `bytes` with a unit: 1.2 MB. */
export function humanBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = bytes < 1000 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), units.length - 1);
  return `${power === 0 ? bytes : (bytes / 1000 ** power).toFixed(1)} ${units[power] ?? ""}`;
}

/** A length of time as a person says it: 50 s, 12 min, 3 h 5 min. */
export function humanSeconds(seconds: number): string {
  if (seconds < 120) return `${Math.ceil(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Turns events into lines for a person; it remembers each phase's first progress, for the rate and the time left: two phases may run at once, and one may go on where another run was cut short. */
export class Narrator {
  private readonly first = new Map<string, { readonly at: number; readonly done: number }>();

  /** The line for `event`, which happened at `now` (milliseconds). Undefined where there is nothing to say. */
  line(event: MigrationEvent, now: number): string | undefined {
    switch (event.event) {
      case "started":
        this.first.delete(event.phase);
        return `${event.phase} …`;
      case "finished":
        return `${event.phase}: ${event.text ?? "done"}`;
      case "progress":
        return this.progress(event, now);
      case "warning":
        return `${event.phase}: warning: ${event.text ?? ""}`;
      case "note":
        return `${event.phase}: ${event.text ?? ""}`;
      case "finished-all":
        return event.text;
      case "failed":
      case "finding":
      case "fact":
      case "hold":
      case "switched":
        return undefined;
    }
  }

  private progress(event: MigrationEvent, now: number): string {
    const { phase, done = 0, total, unit = "", item, rows, tables = [] } = event;
    const amount = (value: number) => (unit.startsWith("bytes") ? humanBytes(value) : `${value} ${unit}`);
    const parts = [total == null ? amount(done) : `${amount(done)} of ${amount(total)}`];
    let first = this.first.get(phase);
    if (first === undefined) {
      first = { at: now, done };
      this.first.set(phase, first);
    }
    const rate = (1000 * (done - first.done)) / Math.max(now - first.at, 1);
    if (rate > 0) {
      parts.push(unit.startsWith("bytes") ? `${humanBytes(Math.round(rate))}/s` : `${rate.toFixed(1)}/s`);
      if (total != null && total > done) {
        parts.push(`${humanSeconds((total - done) / rate)} left`);
      }
    }
    if (rows !== undefined) parts.push(`${rows} rows`);
    parts.push(
      ...tables.map((table) => `${table.name} ${Math.floor((100 * table.done) / Math.max(table.total, 1))} %`),
    );
    if (item !== undefined && item !== "") parts.push(item);
    return `${phase}: ${parts.join(", ")}`;
  }
}
