/** One line of the Job's log that is meant for the engine. Anything else in the log is a tool's own message. */
export interface MigrationEvent {
  readonly phase: string;
  readonly event:
    "started" | "finished" | "progress" | "note" | "warning" | "failed" | "finished-all" | "finding" | "fact";
  readonly text?: string;
  /** Of `progress`: how far, of how much (null: unknown), in which unit, and what is being worked on. */
  readonly done?: number;
  readonly total?: number | null;
  readonly unit?: string;
  readonly item?: string;
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
  if (!line.startsWith('{"phase":')) {
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

/** Turns events into lines for a person; it remembers when a phase began, for the rate and the time left. */
export class Narrator {
  private began = 0;
  private first: number | undefined;

  /** The line for `event`, which happened at `now` (milliseconds). Undefined where there is nothing to say. */
  line(event: MigrationEvent, now: number): string | undefined {
    switch (event.event) {
      case "started":
        this.began = now;
        this.first = undefined;
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
        return undefined;
    }
  }

  private progress({ phase, done = 0, total, unit = "", item }: MigrationEvent, now: number): string {
    const amount = (value: number) => (unit.startsWith("bytes") ? humanBytes(value) : `${value} ${unit}`);
    this.first ??= now - this.began < 500 ? done : 0;
    const seconds = Math.max((now - this.began) / 1000, 0.001);
    const rate = Math.max((done - this.first) / seconds, 0);
    const parts = [total == null ? amount(done) : `${amount(done)} of ${amount(total)}`];
    if (rate > 0) {
      parts.push(unit.startsWith("bytes") ? `${humanBytes(Math.round(rate))}/s` : `${rate.toFixed(1)}/s`);
      if (total != null && total > done) {
        parts.push(`${Math.ceil((total - done) / rate)} s left`);
      }
    }
    if (item !== undefined && item !== "") {
      parts.push(item);
    }
    return `${phase}: ${parts.join(", ")}`;
  }
}
