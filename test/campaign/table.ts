/** What a campaign came to, for a reader. Pure. */
import { phases, victims, type Victim } from "./plan";

/** One kill that was planned. */
export interface Struck {
  readonly victim: Victim;
  /** The phase that it hit in; undefined where there was nothing to hit any more. */
  readonly hitIn: string | undefined;
  /** How much was not as it must be after it. */
  readonly faults: number;
}

/** Hits by victim and phase, `!` at those after which something was wrong, and in the end how many kills came too late. */
export function table(struck: readonly Struck[]): string[] {
  const count = (some: readonly Struck[]) =>
    some.length === 0 ? "·" : `${some.length}${some.some(({ faults }) => faults > 0) ? "!" : ""}`;
  const hits = struck.filter(({ hitIn }) => hitIn !== undefined);
  const row = (name: string, some: readonly Struck[], planned: readonly Struck[]) => [
    name,
    ...phases.map((phase) => count(some.filter(({ hitIn }) => hitIn === phase))),
    count(some),
    count(planned.filter(({ hitIn }) => hitIn === undefined)),
  ];
  const rows = [
    ["", ...phases, "hits", "too late"],
    ...victims.map((victim) => {
      const of = (each: Struck) => each.victim === victim;
      return row(victim, hits.filter(of), struck.filter(of));
    }),
    row("all", hits, struck),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((cells) => cells[column]!.length)));
  return rows.map((cells) =>
    cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join("  "),
  );
}
