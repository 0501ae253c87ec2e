/** The benchmark of the backups: each task in turn on one stack, run after run; what is measured is written down at once. */
import type { EmbeddedCluster } from "../../local/kubernetes/cluster";
import { parseSize } from "../../local/legacy/plan";
import { during, step } from "../../local/progress";
import { Clock } from "../clock";
import { isInterrupted, onOwnCluster } from "../own-cluster";
import { headingOf, ResultsFile } from "../results-file";
import { valuesOf } from "../../local/stack-values";
import { configuredIn, Ground, segmentCount, stackConfig } from "./ground";
import { measure } from "./measure";
import { missing, nameOf, type Turn } from "./plan";
import type { Outcome, Results } from "./results";

export interface BackupsOptions {
  /** Name of the embedded cluster, which is the bench's own. */
  readonly name: string;
  /** Of the databases, as `100MB`. */
  readonly sizes: readonly string[];
  readonly runs: number;
  /** After so many no further measurement is begun. */
  readonly minutes: number;
  /** Where the results go, written anew after each measurement. Where it is there, its run goes on. */
  readonly out: string;
  /** The arguments, as they were given. */
  readonly command: string;
}

/** Runs the benchmark. What fails is an outcome, too. */
export async function benchmark(options: BackupsOptions): Promise<Results> {
  return onOwnCluster(options.name, (cluster) => measureAll(cluster, options));
}

async function measureAll(cluster: EmbeddedCluster, options: BackupsOptions): Promise<Results> {
  const deadline = Date.now() + options.minutes * 60_000;
  const file = await ResultsFile.open(options.out, await heading(cluster, options), [
    "kind",
    "commit",
    "machine",
    "sizes",
    "runs",
    "configured",
    "promises",
    "instance",
    "segments",
  ]);
  if (file.results.ended !== undefined) return file.results;
  const ground = await Ground.make(cluster);
  const { barman, absent, broken } = await ground.barman();
  const version = { PostgreSQL: await ground.sql("SHOW server_version"), barman };
  await file.keep({ absent, broken, versions: { ...file.results.versions, ...version } });
  const left = missing(file.results, file.results.outcomes);
  const clock = new Clock(left.length);
  for (const turn of left) {
    if (Date.now() > deadline) {
      step(`${options.minutes} minutes are over: no further measurement is begun`);
      return file.results;
    }
    const outcome = await during(`${nameOf(turn)} (${clock.left()})`, () => attempt(ground, turn));
    // What fails because its cluster is taken away says nothing.
    if (isInterrupted()) return file.results;
    clock.count(outcome.wall);
    step(`${nameOf(turn)}: ${outcome.failure ?? JSON.stringify(outcome.figures)}`);
    await file.keep({ outcomes: [...file.results.outcomes, outcome] });
  }
  await file.end();
  return file.results;
}

async function attempt(ground: Ground, turn: Turn): Promise<Outcome> {
  const began = Date.now();
  const wall = () => (Date.now() - began) / 1000;
  try {
    const figures = await measure(ground, turn);
    // Which figures belong to which kind is what measure() keeps.
    return { ...turn, figures, wall: wall() } as Outcome;
  } catch (error) {
    const failure = (error instanceof Error ? error.message : String(error)).slice(0, 1000);
    return { ...turn, failure, wall: wall() };
  }
}

async function heading(cluster: EmbeddedCluster, { sizes, runs, command }: BackupsOptions): Promise<Results> {
  const values = valuesOf("local", await stackConfig(cluster));
  return {
    ...(await headingOf(cluster, command)),
    kind: "backups",
    sizes: [...sizes].sort((a, b) => parseSize(a) - parseSize(b)),
    runs,
    configured: configuredIn(values),
    promises: {
      recoveryPoint: values.backupRecoveryPoint,
      uploadAllowance: values.backupUploadAllowance,
      archiveTimeout: values.backupRecoveryPoint - values.backupUploadAllowance,
      recoveryTime: values.drillRecoveryTime,
    },
    instance: {
      memory: values.memory,
      cpu: values.cpuLimit,
      sidecarMemory: values.backupSidecarMemoryLimit,
      sidecarCpu: values.backupSidecarCpuLimit,
    },
    segments: segmentCount,
    absent: [],
    broken: [],
    outcomes: [],
  };
}
