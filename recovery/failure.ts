import { MigrationFailure } from "../migration/engine/failure";

/** An end that the reader can act on: what happened, what was left untouched, what to do next. */
export class RecoveryFailure extends Error {
  constructor(
    readonly what: string,
    readonly untouched: string,
    readonly next: string,
  ) {
    super(`Recovery: ${what}\n  Untouched: ${untouched}\n  Next: ${next}`);
    this.name = "RecoveryFailure";
  }
}

/** What holds before a Cluster is made. */
export const nothingChanged = "Nothing was changed.";

/** Everything that stands in the way of a recovery, at once. */
export function refusal(problems: readonly string[], next: string, untouched = nothingChanged): RecoveryFailure {
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  return new RecoveryFailure(
    [`${count} in the way`, ...problems.map((one) => `    - ${one}`)].join("\n"),
    untouched,
    next,
  );
}

/** An error's words. What the migration's client of Kubernetes refuses is told as the recovery's. */
export function words(error: unknown): string {
  if (error instanceof MigrationFailure) return new RecoveryFailure(error.what, nothingChanged, error.next).message;
  return error instanceof Error ? error.message : String(error);
}
