/** The benchmark of the migration: every way on the same data in the same run, in an order that turns, with both sides compared after each. */
import { cpus, release, totalmem } from "node:os";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { down, up, type EmbeddedCluster } from "../local/kubernetes/cluster";
import { findProgram } from "../local/kubernetes/preflight";
import { podQuery } from "../local/legacy/cluster";
import { during, step } from "../local/progress";
import { run } from "../local/run";
import { root } from "../local/stack-files";
import { tool } from "../local/toolchain/toolchain";
import { humanSeconds } from "../migration/engine/events";
import {
  clear,
  clusterManifest,
  createCluster,
  groundOf,
  makeSource,
  prepare,
  production,
  untilReady,
  type Ground,
} from "./ground";
import type { Measurement, Outcome, Results, ShapeName, WayName } from "./results";
import { orderOf } from "./statistics";
import { cnpgImport } from "./ways/import";
import { ours } from "./ways/ours";
import { ceiling, parallel, pgcopydb, pipe } from "./ways/scripted";
import type { Way } from "./ways/way";

export interface BenchOptions {
  /** Name of the embedded cluster, which is the bench's own. */
  readonly name: string;
  readonly size: string;
  readonly shapes: readonly ShapeName[];
  readonly ways: readonly WayName[];
  readonly runs: number;
  readonly instances: number;
  readonly jobs: number;
  /** After so many no further measurement is begun. */
  readonly minutes: number;
  /** Where the results go, written anew after each measurement. */
  readonly out: string;
  /** The arguments, as they were given. */
  readonly command: string;
}

export const ways: Readonly<Record<WayName, Way>> = { ours, pipe, parallel, import: cnpgImport, pgcopydb, ceiling };

/** Runs the benchmark. A way that fails is an outcome, too. */
export async function benchmark(options: BenchOptions): Promise<Results> {
  const { name } = options;
  // What an interrupted run left.
  await down({ name });
  try {
    return await measureAll(await up({ name }), options);
  } finally {
    await down({ name });
  }
}

/** Every shape, run and way, in turn; what is measured is written down at once. */
async function measureAll(cluster: EmbeddedCluster, options: BenchOptions): Promise<Results> {
  const deadline = Date.now() + options.minutes * 60_000;
  const absent: { way: WayName; why: string }[] = [];
  for (const way of options.ways) {
    const why = await ways[way].absent?.();
    if (why === undefined) continue;
    absent.push({ way, why });
    step(`${way}: ${why}`);
  }
  const present = options.ways.filter((way) => !absent.some((one) => one.way === way));
  const { size, shapes, runs, instances, jobs } = options;
  const cores = cpus().length;
  await prepare(cluster);
  const values = (shape: ShapeName) => production(cluster, `bench-${shape}`, instances, jobs, cores);
  const clock = new Clock(shapes.length * runs * present.length);
  const { memory, cpuLimit } = values("dominant");
  let results: Results = {
    began: new Date().toISOString(),
    command: options.command,
    commit: (await run("git", ["describe", "--always", "--dirty"], { cwd: root })).trim(),
    machine: {
      cores,
      processor: cpus()[0]?.model ?? "unknown",
      memoryBytes: totalmem(),
      system: `Linux ${release()}, one node of embedded Kubernetes`,
    },
    versions: { "Node.js": process.version, ...(await versionsOf(cluster, present)) },
    size,
    runs,
    instances,
    jobs,
    instance: { memory, cpu: cpuLimit, parameters: groundOf(cluster, values("dominant")).target.parameters },
    absent,
    shapes: [],
    outcomes: [],
  };
  const keep = async (more: Partial<Results>) => {
    results = { ...results, ...more };
    await mkdir(dirname(options.out), { recursive: true });
    await writeFile(`${options.out}.partial`, `${JSON.stringify(results, null, 2)}\n`);
    await rename(`${options.out}.partial`, options.out);
  };
  const grounds = new Map<ShapeName, Ground>();
  for (const shape of shapes) {
    const ground = groundOf(cluster, values(shape));
    grounds.set(shape, ground);
    const facts = await makeSource(ground, shape, size);
    const [server] = await podQuery(ground.api, ground.namespace, "SHOW server_version");
    const version = { "PostgreSQL, source": server?.[0] ?? "" };
    await keep({ shapes: [...results.shapes, facts], versions: { ...results.versions, ...version } });
  }
  // Every shape once before any twice: a run that is broken off, or out of time, has something of all.
  for (let turn = 1; turn <= runs; turn++) {
    for (const [shape, ground] of grounds) {
      for (const [index, way] of orderOf(present, turn).entries()) {
        if (Date.now() > deadline) {
          step(`${options.minutes} minutes are over: no further measurement is begun`);
          await keep({ ended: new Date().toISOString() });
          return results;
        }
        const began = Date.now();
        const named = `${shape}, run ${turn} of ${runs}, ${way}`;
        const told = await during(`${named} (${clock.left()})`, () => attempt(ground, ways[way]));
        const outcome: Outcome = {
          shape,
          way,
          run: turn,
          place: index + 1,
          ...(told.failure === undefined ? {} : { failure: told.failure }),
          ...(told.measurement === undefined ? {} : { measurement: told.measurement }),
          seconds: (Date.now() - began) / 1000,
        };
        clock.count(outcome.seconds);
        step(`${named}: ${inWords(outcome)}`);
        const version = told.version === undefined ? {} : { "PostgreSQL, target": told.version };
        await keep({ outcomes: [...results.outcomes, outcome], versions: { ...results.versions, ...version } });
      }
    }
  }
  await keep({ ended: new Date().toISOString() });
  return results;
}

/** One measurement on a target of its own. */
async function attempt(
  ground: Ground,
  way: Way,
): Promise<{ measurement?: Measurement; failure?: string; version?: string }> {
  let version: string | undefined;
  try {
    await clear(ground);
    const began = Date.now();
    if (way.begins !== "none") {
      await createCluster(ground, clusterManifest(ground, way.begins));
      await untilReady(ground, way.begins === "full" ? ground.instances : 1);
    }
    const cluster = way.begins === "none" ? 0 : (Date.now() - began) / 1000;
    const moved = await way.move(ground);
    version = await ground.kubernetes.control("SHOW server_version");
    return { measurement: { cluster, ...moved }, version };
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error);
    return { failure: failure.slice(0, 1000), ...(version === undefined ? {} : { version }) };
  }
}

function inWords({ measurement, failure, seconds }: Outcome): string {
  const all = `${seconds.toFixed(0)} s in all`;
  if (measurement === undefined) return `failed after ${all}: ${failure ?? ""}`;
  const { copyAndIndex, verified, safe, parity } = measurement;
  return [
    `copy and index ${copyAndIndex.toFixed(1)} s`,
    `verified after ${verified.toFixed(1)} s`,
    ...(safe === undefined ? [] : [`safe after ${safe.toFixed(1)} s`]),
    parity.equal
      ? `${parity.tables} tables, ${parity.rows} rows equal`
      : `NOT EQUAL: ${parity.differing.slice(0, 3).join("; ")}`,
    all,
  ].join(", ");
}

/** Reckons how long it takes still, from what has been. */
class Clock {
  private done = 0;
  private seconds = 0;

  constructor(private readonly total: number) {}

  count(seconds: number): void {
    this.done += 1;
    this.seconds += seconds;
  }

  left(): string {
    const counted = `${this.done} of ${this.total} measurements done`;
    if (this.done === 0) return counted;
    return `${counted}, about ${humanSeconds((this.seconds / this.done) * (this.total - this.done))} left`;
  }
}

/** What runs beside PostgreSQL. */
async function versionsOf(cluster: EmbeddedCluster, present: readonly WayName[]): Promise<Record<string, string>> {
  const client = JSON.parse(await run(await tool("kubectl"), ["version", "--client", "--output=json"])) as {
    clientVersion: { gitVersion: string };
  };
  const manifest = await readFile(cluster.operatorManifest, "utf8");
  const pgcopydb = present.includes("pgcopydb") ? await findProgram("pgcopydb") : undefined;
  const said = pgcopydb === undefined ? undefined : await run(pgcopydb, ["--version"]).catch(() => "");
  return {
    Kubernetes: client.clientVersion.gitVersion,
    CloudNativePG: /cloudnative-pg:([\d.]+)/.exec(manifest)?.[1] ?? "unknown",
    ...(said === undefined ? {} : { pgcopydb: /version (\S+)/.exec(said)?.[1] ?? "unknown" }),
  };
}
