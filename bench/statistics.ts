/** The middle of `values`; of an even number, the mean of the two in the middle. @throws Error where there is none */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.floor((sorted.length - 1) / 2)];
  if (upper === undefined || lower === undefined) throw new Error("There is no median of nothing.");
  return (lower + upper) / 2;
}

/** What is said of repeated measurements. */
export interface Summary {
  readonly count: number;
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** Sums up repeated measurements; undefined where there is none. */
export function summary(values: readonly number[]): Summary | undefined {
  if (values.length === 0) return undefined;
  return { count: values.length, median: median(values), least: Math.min(...values), most: Math.max(...values) };
}

/**
 * The order of the ways in one run: each run begins with another, so that none always comes first, into a colder cache, or always after the same one.
 *
 * @param run from 1
 */
export function orderOf<Way>(ways: readonly Way[], run: number): Way[] {
  const first = ways.length === 0 ? 0 : (run - 1) % ways.length;
  return [...ways.slice(first), ...ways.slice(0, first)];
}
