/** What the benchmarks' results have in common, and the file that they lie in. */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { cpus, release, totalmem } from "node:os";
import { dirname } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { EmbeddedCluster } from "../local/kubernetes/cluster";
import { run } from "../local/run";
import { root } from "../local/stack-files";
import { tool } from "../local/toolchain/toolchain";

export interface Machine {
  readonly cores: number;
  readonly processor: string;
  readonly memoryBytes: number;
  readonly system: string;
}

/** What every benchmark says of itself first. */
export interface Heading {
  /** ISO 8601. */
  readonly began: string;
  /** When the last measurement of all was made; not there where some are missing. */
  readonly ended?: string;
  /** The arguments of the command that began it. */
  readonly command: string;
  /** Of this repository. */
  readonly commit: string;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
}

/** The heading of a run that begins now. @param command its arguments, as they were given */
export async function headingOf(cluster: EmbeddedCluster, command: string): Promise<Heading> {
  const client = JSON.parse(await run(await tool("kubectl"), ["version", "--client", "--output=json"])) as {
    clientVersion: { gitVersion: string };
  };
  const manifest = await readFile(cluster.operatorManifest, "utf8");
  return {
    began: new Date().toISOString(),
    command,
    commit: (await run("git", ["describe", "--always", "--dirty"], { cwd: root })).trim(),
    machine: {
      cores: cpus().length,
      processor: cpus()[0]?.model ?? "unknown",
      memoryBytes: totalmem(),
      system: `Linux ${release()}, one node of embedded Kubernetes`,
    },
    versions: {
      "Node.js": process.version,
      Kubernetes: client.clientVersion.gitVersion,
      CloudNativePG: /cloudnative-pg:([\d.]+)/.exec(manifest)?.[1] ?? "unknown",
    },
  };
}

/** Results that are written anew after each measurement, whole or not at all. */
export class ResultsFile<Results extends Heading> {
  private constructor(
    private readonly file: string,
    private held: Results,
  ) {}

  /**
   * A file that goes on where it is there already, else one that begins with `fresh`.
   *
   * @param identity the fields that have to be the same for it to be the same run
   * @throws Error where the file is of another run, which is left as it is
   */
  static async open<Results extends Heading>(
    file: string,
    fresh: Results,
    identity: readonly (keyof Results)[],
  ): Promise<ResultsFile<Results>> {
    const text = await readFile(file, "utf8").catch(() => undefined);
    if (text === undefined) return new ResultsFile(file, fresh);
    const found = JSON.parse(text) as Results;
    const differing = identity.filter((field) => !isDeepStrictEqual(found[field], fresh[field]));
    if (differing.length === 0) return new ResultsFile(file, found);
    throw new Error(
      `${file} has results of another run (other: ${differing.join(", ")}). It was left as it is. Give another --out.`,
    );
  }

  get results(): Results {
    return this.held;
  }

  async keep(more: Partial<Results>): Promise<void> {
    this.held = { ...this.held, ...more };
    await mkdir(dirname(this.file), { recursive: true });
    await writeFile(`${this.file}.partial`, `${JSON.stringify(this.held, null, 2)}\n`);
    await rename(`${this.file}.partial`, this.file);
  }

  /** Says that nothing is missing any more. */
  async end(): Promise<void> {
    await this.keep({ ended: this.held.ended ?? new Date().toISOString() } as Partial<Results>);
  }
}
