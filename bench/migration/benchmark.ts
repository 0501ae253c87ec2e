/** The benchmark of the migration: every way on the same data in turn, in an order that changes from run to run, with both sides compared after each. */
import { cpus } from "node:os";
import type { Values } from "../../config";
import type { EmbeddedCluster } from "../../local/kubernetes/cluster";
import { findProgram } from "../../local/kubernetes/preflight";
import { podQuery } from "../../local/legacy/cluster";
import { during, step } from "../../local/progress";
import { run } from "../../local/run";
import { Clock } from "../clock";
import { isInterrupted, onOwnCluster } from "../own-cluster";
import { headingOf, ResultsFile } from "../results-file";
import { orderOf } from "../statistics";
import { layFoundation } from "./foundation";
import {
  archiving,
  clear,
  clusterManifest,
  createCluster,
  emptied,
  groundOf,
  levelled,
  makeSource,
  production,
  untilReady,
  type Ground,
} from "./ground";
import type { Measurement, Outcome, Results, ShapeName, Sizes, WayName } from "./results";
import { cnpgImport } from "./ways/import";
import { alone, ours } from "./ways/ours";
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
  /** Whether targets archive and are backed up. */
  readonly backups: boolean;
  /** After so many no further measurement is begun. */
  readonly minutes: number;
  /** Where the results go, written anew after each measurement. Where it is there, its run goes on. */
  readonly out: string;
  /** The arguments, as they were given. */
  readonly command: string;
}

export const ways: Readonly<Record<WayName, Way>> = {
  ours,
  alone,
  pipe,
  parallel,
  import: cnpgImport,
  pgcopydb,
  ceiling,
};

/** Runs the benchmark. A way that fails is an outcome, too. */
export async function benchmark(options: BenchOptions): Promise<Results> {
  return onOwnCluster(options.name, (cluster) => measureAll(cluster, options));
}

/** Every shape, run and way, in turn; what is measured is written down at once. */
async function measureAll(cluster: EmbeddedCluster, options: BenchOptions): Promise<Results> {
  const deadline = Date.now() + options.minutes * 60_000;
  const { runs, instances, jobs, backups } = options;
  const values = (shape: ShapeName) => production(cluster, `bench-${shape}`, instances, jobs, cpus().length, backups);
  const fresh = await heading(cluster, options, values("dominant"));
  const file = await ResultsFile.open(options.out, fresh, [
    "commit",
    "machine",
    "sizes",
    "ways",
    "runs",
    "instances",
    "jobs",
    "backups",
    "instance",
  ]);
  const left = missing(file.results);
  const clock = new Clock(left.length);
  let ground: Ground | undefined;
  let standing: Standing | undefined;
  const store = await layFoundation(cluster, backups);
  for (const [index, { shape, run: turn, way, place }] of left.entries()) {
    if (Date.now() > deadline) {
      step(`${options.minutes} minutes are over: no further measurement is begun`);
      return file.results;
    }
    if (ground?.namespace !== values(shape).namespace) {
      ground = groundOf(cluster, values(shape), store);
      const facts = await makeSource(ground, shape, options.sizes[shape] ?? "");
      const [server] = await podQuery(ground.api, ground.namespace, "SHOW server_version");
      const version = { "PostgreSQL, source": server?.[0] ?? "" };
      const others = file.results.shapes.filter((one) => one.shape !== shape);
      await file.keep({ shapes: [...others, facts], versions: { ...file.results.versions, ...version } });
    }
    const here = ground;
    const began = Date.now();
    const named = `${shape}, run ${turn} of ${runs}, ${way}`;
    const next = left[index + 1];
    const follower = next?.shape === shape && next.run === turn ? ways[next.way] : undefined;
    const told = await during(`${named} (${clock.left()})`, () => attempt(here, ways[way], standing, follower));
    standing = told.standing;
    // What fails because its cluster is taken away says nothing.
    if (isInterrupted()) return file.results;
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
    const { outcomes, versions } = file.results;
    await file.keep({ outcomes: [...outcomes, outcome], versions: { ...versions, ...version } });
  }
  await file.end();
  return file.results;
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
  const { sizes, runs, instances, jobs, backups } = options;
  const { versions, ...common } = await headingOf(cluster, options.command);
  return {
    ...common,
    versions: { ...versions, ...(await pgcopydbVersion(present)) },
    kind: "migration",
    sizes,
    ways: present,
    runs,
    instances,
    jobs,
    backups,
    instance: {
      memory: values.memory,
      cpu: values.cpuLimit,
      parameters: groundOf(cluster, values, undefined).target.parameters,
    },
    absent,
    shapes: [],
    outcomes: [],
  };
}

/** Those that begin with the same target come one after the other. */
const together: readonly (readonly WayName[])[] = [
  ["ours", "pipe", "parallel", "pgcopydb"],
  ["import"],
  ["ceiling", "alone"],
];

/** The ways of one run. Each run begins with another group of them, and the first group with another way; after the lone instance that grows nobody finds a lone one. */
function inTurn(ways: readonly WayName[], run: number): WayName[] {
  const [full = [], ...others] = together.map((group) => group.filter((way) => ways.includes(way)));
  return orderOf(
    [orderOf(full, run), ...others].filter((group) => group.length > 0),
    run,
  ).flat();
}

/** What is to be measured still: shape after shape, in each the ways in turn, so that what is compared lies close together in time. */
export function missing({ sizes, runs, ways, outcomes }: Pick<Results, "sizes" | "runs" | "ways" | "outcomes">) {
  const shapes = Object.keys(sizes) as ShapeName[];
  return shapes.flatMap((shape) =>
    Array.from({ length: runs }, (_, index) => index + 1).flatMap((run) =>
      inTurn(ways, run)
        .map((way, index) => ({ shape, run, way, place: index + 1 }))
        .filter(({ way }) => !outcomes.some((one) => one.shape === shape && one.run === run && one.way === way)),
    ),
  );
}

/** A target that the last move has left, with its database made anew. */
interface Standing {
  readonly ground: Ground;
  /** Seconds that its making took. */
  readonly cluster: number;
}

interface Attempt {
  readonly measurement?: Measurement;
  readonly failure?: string;
  readonly version?: string;
  /** The target, where the next way may begin with it. */
  readonly standing?: Standing | undefined;
}

/** Whether `next` may begin with the target that `way` leaves: it was as large in the beginning, did not grow, and archives alike, if at all. */
const suits = ({ store }: Ground, way: Way, next: Way) =>
  way.begins !== "none" &&
  way.begins === next.begins &&
  way !== alone &&
  (store === undefined || way.archives === next.archives);

/** One measurement. Its target is gone afterwards, unless the next way may begin with it. */
async function attempt(shapes: Ground, way: Way, found: Standing | undefined, next: Way | undefined): Promise<Attempt> {
  const ground = found?.ground ?? (await archiving(shapes, way.archives));
  let standing: Standing | undefined;
  try {
    const began = Date.now();
    if (found === undefined && way.begins !== "none") {
      await createCluster(ground, clusterManifest(ground, way.begins));
      await untilReady(ground, way.begins === "full" ? ground.instances : 1);
    }
    const cluster = way.begins === "none" ? 0 : (found?.cluster ?? (Date.now() - began) / 1000);
    await levelled(ground, way.begins !== "none");
    const moved = await way.move(ground);
    const version = await ground.kubernetes.control("SHOW server_version");
    if (next !== undefined && suits(shapes, way, next)) {
      await emptied(ground);
      standing = { ground, cluster };
    }
    return { measurement: { cluster, ...moved }, version, standing };
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error);
    return { failure: failure.slice(0, 1000) };
  } finally {
    if (standing === undefined) await clear(ground);
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

/** What one of the ways runs beside PostgreSQL. */
async function pgcopydbVersion(present: readonly WayName[]): Promise<Record<string, string>> {
  const pgcopydb = present.includes("pgcopydb") ? await findProgram("pgcopydb") : undefined;
  if (pgcopydb === undefined) return {};
  const said = await run(pgcopydb, ["--version"]).catch(() => "");
  return { pgcopydb: /version (\S+)/.exec(said)?.[1] ?? "unknown" };
}
