/** The benchmark of the migration: every way on the same data in turn, in an order that changes from run to run, with both sides compared after each. */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { cpus, release, totalmem } from "node:os";
import { dirname } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { Values } from "../config";
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
  levelled,
  makeSource,
  prepare,
  production,
  untilReady,
  type Ground,
} from "./ground";
import type { Measurement, Outcome, Results, ShapeName, Sizes, WayName } from "./results";
import { orderOf } from "./statistics";
import { cnpgImport } from "./ways/import";
import { ours } from "./ways/ours";
import { ceiling, parallel, pgcopydb, pipe } from "./ways/scripted";
import type { Way } from "./ways/way";

export interface BenchOptions {
  /** Name of the embedded cluster, which is the bench's own. */
  readonly name: string;
  readonly sizes: Sizes;
  readonly ways: readonly WayName[];
  readonly runs: number;
  readonly instances: number;
  readonly jobs: number;
  /** After so many no further measurement is begun. */
  readonly minutes: number;
  /** Where the results go, written anew after each measurement. Where it is there, its run goes on. */
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
  const { runs, instances, jobs } = options;
  const values = (shape: ShapeName) => production(cluster, `bench-${shape}`, instances, jobs, cpus().length);
  const fresh = await heading(cluster, options, values("dominant"));
  let results = (await begun(options.out, fresh)) ?? fresh;
  const keep = async (more: Partial<Results>) => {
    results = { ...results, ...more };
    await mkdir(dirname(options.out), { recursive: true });
    await writeFile(`${options.out}.partial`, `${JSON.stringify(results, null, 2)}\n`);
    await rename(`${options.out}.partial`, options.out);
  };
  const left = missing(results);
  const clock = new Clock(left.length);
  let ground: Ground | undefined;
  await prepare(cluster);
  for (const { shape, run: turn, way, place } of left) {
    if (Date.now() > deadline) {
      step(`${options.minutes} minutes are over: no further measurement is begun`);
      return results;
    }
    if (ground?.namespace !== values(shape).namespace) {
      ground = groundOf(cluster, values(shape));
      const facts = await makeSource(ground, shape, options.sizes[shape] ?? "");
      const [server] = await podQuery(ground.api, ground.namespace, "SHOW server_version");
      const version = { "PostgreSQL, source": server?.[0] ?? "" };
      const others = results.shapes.filter((one) => one.shape !== shape);
      await keep({ shapes: [...others, facts], versions: { ...results.versions, ...version } });
    }
    const here = ground;
    const began = Date.now();
    const named = `${shape}, run ${turn} of ${runs}, ${way}`;
    const told = await during(`${named} (${clock.left()})`, () => attempt(here, ways[way]));
    const outcome: Outcome = {
      shape,
      way,
      run: turn,
      place,
      ...(told.failure === undefined ? {} : { failure: told.failure }),
      ...(told.measurement === undefined ? {} : { measurement: told.measurement }),
      seconds: (Date.now() - began) / 1000,
    };
    clock.count(outcome.seconds);
    step(`${named}: ${inWords(outcome)}`);
    const version = told.version === undefined ? {} : { "PostgreSQL, target": told.version };
    await keep({ outcomes: [...results.outcomes, outcome], versions: { ...results.versions, ...version } });
  }
  await keep({ ended: results.ended ?? new Date().toISOString() });
  return results;
}

/** Results without any outcome. */
async function heading(cluster: EmbeddedCluster, options: BenchOptions, values: Values): Promise<Results> {
  const absent: { way: WayName; why: string }[] = [];
  for (const way of options.ways) {
    const why = await ways[way].absent?.();
    if (why === undefined) continue;
    absent.push({ way, why });
    step(`${way}: ${why}`);
  }
  const present = options.ways.filter((way) => !absent.some((one) => one.way === way));
  const { sizes, runs, instances, jobs } = options;
  return {
    began: new Date().toISOString(),
    command: options.command,
    commit: (await run("git", ["describe", "--always", "--dirty"], { cwd: root })).trim(),
    machine: {
      cores: cpus().length,
      processor: cpus()[0]?.model ?? "unknown",
      memoryBytes: totalmem(),
      system: `Linux ${release()}, one node of embedded Kubernetes`,
    },
    versions: { "Node.js": process.version, ...(await versionsOf(cluster, present)) },
    sizes,
    ways: present,
    runs,
    instances,
    jobs,
    instance: { memory: values.memory, cpu: values.cpuLimit, parameters: groundOf(cluster, values).target.parameters },
    absent,
    shapes: [],
    outcomes: [],
  };
}

/** The results that `file` has by now. @throws Error where they are of another run, which is left as it is */
async function begun(file: string, fresh: Results): Promise<Results | undefined> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const found = JSON.parse(text) as Results;
  const differing = (["commit", "machine", "sizes", "ways", "runs", "instances", "jobs", "instance"] as const).filter(
    (field) => !isDeepStrictEqual(found[field], fresh[field]),
  );
  if (differing.length === 0) return found;
  throw new Error(
    `${file} has results of another run (other: ${differing.join(", ")}). It was left as it is. Give another --out.`,
  );
}

/** What is to be measured still: shape after shape, in each the ways in turn, so that what is compared lies close together in time. */
export function missing({ sizes, runs, ways, outcomes }: Pick<Results, "sizes" | "runs" | "ways" | "outcomes">) {
  const shapes = Object.keys(sizes) as ShapeName[];
  return shapes.flatMap((shape) =>
    Array.from({ length: runs }, (_, index) => index + 1).flatMap((run) =>
      orderOf(ways, run)
        .map((way, index) => ({ shape, run, way, place: index + 1 }))
        .filter(({ way }) => !outcomes.some((one) => one.shape === shape && one.run === run && one.way === way)),
    ),
  );
}

/** One measurement on a target of its own, which is gone afterwards. */
async function attempt(
  ground: Ground,
  way: Way,
): Promise<{ measurement?: Measurement; failure?: string; version?: string }> {
  try {
    const began = Date.now();
    if (way.begins !== "none") {
      await createCluster(ground, clusterManifest(ground, way.begins));
      await untilReady(ground, way.begins === "full" ? ground.instances : 1);
    }
    const cluster = way.begins === "none" ? 0 : (Date.now() - began) / 1000;
    await levelled(ground, way.begins !== "none");
    const moved = await way.move(ground);
    return { measurement: { cluster, ...moved }, version: await ground.kubernetes.control("SHOW server_version") };
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error);
    return { failure: failure.slice(0, 1000) };
  } finally {
    await clear(ground);
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
