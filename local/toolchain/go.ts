import { availableParallelism } from "node:os";
import { run, ProgramFailed } from "../run";

/**
 * The environment of every Go command here. What a person set for their own work must not change what is built:
 * no workspace, no flags, no other toolchain than the one at hand, no C. GOPROXY and the like stay theirs.
 *
 * A compiler gets one thread, and as many compilers run as there are cores: with threads of their own for the collector and the back end they
 * spent a quarter to a third more processor time on the same packages. GOGC collects less often, for some 100 MB a compiler.
 */
export function goEnvironment(): NodeJS.ProcessEnv {
  const environment: NodeJS.ProcessEnv = { ...process.env };
  delete environment.GOOS;
  delete environment.GOARCH;
  return {
    ...environment,
    CGO_ENABLED: "0",
    GOFLAGS: `-p=${availableParallelism()}`,
    GOMAXPROCS: "1",
    GOGC: "400",
    GOWORK: "off",
    GOTOOLCHAIN: "local",
  };
}

interface GoVersion {
  /** What `go version` prints, platform included: part of each build's key. */
  readonly text: string;
  readonly release: readonly number[];
}

/** The Go toolchain on PATH. @throws where there is none. */
export async function goVersion(): Promise<GoVersion> {
  let text: string;
  try {
    text = (await run("go", ["version"], { env: goEnvironment() })).trim();
  } catch (error) {
    throw new Error(
      "Go was not found on PATH, and a program of the toolchain has to be looked up or built with it. Nothing was changed. " +
        `Install Go (go.dev/dl, or the package golang) and repeat.\n${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
  const release = /go(\d+(?:\.\d+)*)/.exec(text.replace(/^go version /, ""))?.[1];
  return { text, release: (release ?? "0").split(".").map(Number) };
}

/** Whether a release (1.26.8) is at least the required one (1.26.0); missing parts count as 0. */
export function atLeast(release: readonly number[], required: readonly number[]): boolean {
  for (let index = 0; index < Math.max(release.length, required.length); index++) {
    const difference = (release[index] ?? 0) - (required[index] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

/** What a group's go.mod says of itself and of one module in it. */
export function readGoMod(text: string, module?: string): { go: readonly number[]; version: string } {
  const go = /^go\s+(\d+(?:\.\d+)*)/m.exec(text)?.[1];
  if (go === undefined) throw new Error("go.mod names no Go version.");
  const required =
    module === undefined
      ? "v0.0.0"
      : text
          .split("\n")
          .map((line) =>
            line
              .replace(/^require\s+/, "")
              .trim()
              .split(/\s+/),
          )
          .find(([path, version]) => path === module && version?.startsWith("v"))?.[1];
  if (required === undefined) throw new Error(`go.mod does not require ${module ?? ""}.`);
  return { go: go.split(".").map(Number), version: required };
}

const noAnswer =
  /dial tcp|no such host|connection refused|connection reset|i\/o timeout|TLS handshake|proxyconnect|network is unreachable|Client\.Timeout|: 40[347] |: 41\d |: 5\d\d |module lookup disabled|server misbehaving/;

/** Says what a failed Go command means for the one who waits for it. */
export function explainGoFailure(error: unknown, what: string): Error {
  if (!(error instanceof ProgramFailed)) return error instanceof Error ? error : new Error(String(error));
  const tail = error.stderr.trim().split("\n").slice(-12).join("\n");
  if (error.stderr.includes("no space left on device")) {
    return new Error(
      `The disk filled up while ${what} was built. No half-built program was left. Free some space and repeat.\n${tail}`,
    );
  }
  if (noAnswer.test(error.stderr)) {
    return new Error(
      `The Go module proxy did not hand out what ${what} is built from. No half-built program was left. ` +
        `Check the network and GOPROXY (\`go env GOPROXY\`), then repeat: what was downloaded is kept.\n${tail}`,
    );
  }
  return new Error(`${what} could not be built. No half-built program was left.\n${tail}`);
}
