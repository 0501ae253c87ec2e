import { spawn } from "node:child_process";

/** A program that could not be started, or that ended with anything but 0. */
export class ProgramFailed extends Error {
  constructor(
    readonly program: string,
    /** `undefined` where it did not start at all or was ended by a signal. */
    readonly exitCode: number | undefined,
    readonly stderr: string,
    reason: string,
  ) {
    super(`${program}: ${reason}${stderr.trim() === "" ? "" : `\n${stderr.trim()}`}`);
    this.name = "ProgramFailed";
  }
}

export interface RunOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** What the program reads from its standard input; nothing by default. */
  input?: string;
  /** Milliseconds until it is killed; without it, it may take as long as it wants. */
  timeout?: number;
}

/**
 * Runs a program to its end and returns what it wrote to standard output.
 * @throws {@link ProgramFailed} with its standard error. The arguments are not in the message: one of them could be private.
 */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ["pipe", "pipe", "pipe"],
      ...(options.timeout === undefined ? {} : { timeout: options.timeout, killSignal: "SIGKILL" as const }),
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    // A program that ends without reading its input is no error of ours; its exit code says what happened.
    child.stdin.on("error", () => undefined).end(options.input ?? "");
    child.on("error", (error) => {
      reject(new ProgramFailed(program, undefined, "", `did not start: ${error.message}`));
    });
    child.on("close", (code, signal) => {
      if (code === 0) resolve(stdout);
      else {
        const reason = code === null ? `was ended by ${signal ?? "a signal"}` : `ended with exit code ${code}`;
        reject(new ProgramFailed(program, code ?? undefined, stderr, reason));
      }
    });
  });
}
