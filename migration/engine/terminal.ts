import type { MigrationEvent, TableProgress } from "./events";

/** Where lines go: process.stderr, or a test's. */
export interface Screen {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Takes a line, and the event that it tells of if there is one. */
export type Say = (line: string, event?: MigrationEvent) => void;

/**
 * Prints lines. On a terminal, what is under way stays below them and is drawn anew in place, with a bar for each table that is being copied;
 * anywhere else (a log, CI, under Pulumi) every line is printed once.
 */
export function printer(screen: Screen): Say {
  const print = (line: string) => `[migration] ${line}\n`;
  if (screen.isTTY !== true) {
    return (line) => void screen.write(print(line));
  }
  /** What is under way, by phase. */
  const live = new Map<string, readonly string[]>();
  let drawn = 0;
  return (line, event) => {
    // Up to the first of the lines that were drawn, and away with them.
    let text = drawn === 0 ? "" : `\x1b[${drawn}A\x1b[J`;
    if (event?.event === "progress") {
      live.set(event.phase, [line, ...(event.tables ?? []).map(bar)]);
    } else {
      if (event?.event === "finished" || event?.event === "finished-all") live.delete(event.phase);
      text += print(line);
    }
    // A line that wraps would be two to go up.
    const lines = [...live.values()].flat().map(
      (each) =>
        `${Array.from(each)
          .slice(0, (screen.columns ?? 80) - 1)
          .join("")}\n`,
    );
    drawn = lines.length;
    screen.write(text + lines.join(""));
  };
}

/** One table as a bar: how much of it is there. */
export function bar({ name, done, total, rows }: TableProgress): string {
  const width = 20;
  const share = total > 0 ? Math.min(done / total, 1) : 1;
  const full = Math.round(share * width);
  const percent = String(Math.floor(share * 100)).padStart(3);
  return `  ${"█".repeat(full)}${"░".repeat(width - full)} ${percent} %  ${name}, ${rows} rows`;
}
