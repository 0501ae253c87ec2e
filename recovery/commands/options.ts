/** What holds for every command of `npm run recover`. */
export interface Options {
  readonly json: boolean;
  /** Do what cannot be undone. */
  readonly yes: boolean;
  /** As it was said, for the commands that are printed. */
  readonly stack: string;
  /** What else was said about the stack, as it has to be said again. */
  readonly stackArguments: readonly string[];
}

/** A command of ours for the same stack, to copy. */
export function commandLine({ stack, stackArguments }: Options, command: string): string {
  return ["npm run recover --", command, "--stack", stack, ...stackArguments].join(" ");
}
