import type { Parity } from "./results";

/** What migration/job/hashes.sql and objects.sql say of one piece. */
interface Fact {
  readonly kind: string;
  readonly name: string;
  readonly rows: number;
  readonly sums: readonly (string | null)[];
}

interface Total {
  rows: number;
  sums: bigint[];
}

/**
 * Compares what both sides said of themselves, in lines `fact source {…}` and `fact target {…}`; a table comes in several pieces. Materialized views are left
 * out: a copy fills them anew, so their rows may differ from stale ones.
 */
export function parityOf(log: string): Parity {
  const sides = { source: totals(log, "source"), target: totals(log, "target") };
  const names = [...new Set([...sides.source.keys(), ...sides.target.keys()])].sort();
  const differing = names.flatMap((name) => {
    const [source, target] = [sides.source.get(name), sides.target.get(name)];
    if (source === undefined) return [`${name}: not on the source`];
    if (target === undefined) return [`${name}: missing`];
    if (source.rows !== target.rows) return [`${name}: ${target.rows} instead of ${source.rows}`];
    return String(source.sums) === String(target.sums) ? [] : [`${name}: other contents`];
  });
  const tables = [...sides.source].filter(([name]) => name.startsWith("table "));
  return {
    equal: differing.length === 0 && tables.length > 0,
    tables: tables.length,
    rows: tables.reduce((sum, [, { rows }]) => sum + rows, 0),
    differing,
  };
}

function totals(log: string, side: string): Map<string, Total> {
  const prefix = `fact ${side} `;
  const found = new Map<string, Total>();
  for (const line of log.split("\n")) {
    if (!line.startsWith(prefix)) continue;
    const { kind, name, rows, sums } = JSON.parse(line.slice(prefix.length)) as Fact;
    if (kind === "refreshed rows") continue;
    const total = found.get(`${kind} ${name}`) ?? { rows: 0, sums: [] };
    total.rows += rows;
    total.sums = sums.map((sum, place) => (total.sums[place] ?? 0n) + BigInt(sum ?? 0));
    found.set(`${kind} ${name}`, total);
  }
  return found;
}
