/** An end that the reader can act on: what happened, what was left untouched, what to do next. */
export class MigrationFailure extends Error {
  constructor(
    readonly what: string,
    readonly untouched: string,
    readonly next: string,
  ) {
    super(`Migration: ${what}\n  Untouched: ${untouched}\n  Next: ${next}`);
    this.name = "MigrationFailure";
  }
}

/** What holds before the Job has begun. */
export const nothingChanged = "Nothing was changed, neither in the source nor in the target.";
