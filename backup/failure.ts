/** An end that the reader can act on: what happened, what was left untouched, what to do next. */
export class BackupFailure extends Error {
  constructor(
    readonly what: string,
    untouched: string,
    next: string,
  ) {
    super(`Backups: ${what}\n  Untouched: ${untouched}\n  Next: ${next}`);
    this.name = "BackupFailure";
  }
}
