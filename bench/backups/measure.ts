/** How each task is measured. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { drillNow } from "../../drill/run";
import type { Listing } from "../../recovery/archive";
import { answerOf } from "../../recovery/bucket";
import { median } from "../statistics";
import { readSteps } from "../steps";
import type { Ground } from "./ground";
import { forSeconds, oldestCommit, tables } from "./load";
import type { Load, MeasuredWalCompression, Task, Turn } from "./plan";
import type { Carried, Figures } from "./results";

/** Seconds for which a load goes on writing after a promise could be seen to be broken. */
const loadBeyond = 15;

/** Bytes that disk.sh writes and reads. */
const diskBytes = 256 * 2 ** 20;

/** Measures one turn. @throws Error where it fails, which is an outcome, too */
export async function measure(ground: Ground, turn: Turn): Promise<Figures[Task["kind"]]> {
  switch (turn.kind) {
    case "disk":
      return disk(ground);
    case "fetch":
      return fetch(ground, turn);
    case "archive":
      return archive(ground, turn);
    case "stored":
      return stored(ground, turn);
    case "point":
      return point(ground, turn.load);
    case "base":
      return base(ground, turn);
    case "restore":
      return restore(ground, turn);
  }
}

type Of<Kind extends Task["kind"]> = Extract<Turn, { kind: Kind }>;

async function disk(ground: Ground): Promise<Figures["disk"]> {
  const { parts } = readSteps(await ground.script("postgres", "disk.sh"));
  return { write: diskBytes / secondsOf(parts, "written"), read: diskBytes / secondsOf(parts, "read") };
}

async function fetch(ground: Ground, { way, compression, parallel, run }: Of<"fetch">): Promise<Carried> {
  const segments = await ground.segments(run);
  await ground.configure({ walCompression: compression, walMaxParallel: parallel });
  if ((await leaveOnly(ground, compression, segments)).length > 0) {
    // A run that was broken off goes on: its segments are new.
    await archiveOnceMore(ground, segments);
    const lacking = await leaveOnly(ground, compression, segments);
    if (lacking.length > 0) throw new Error(`not in the store as ${compression}: ${lacking.join(", ")}`);
  }
  if (way === "hand") {
    return byHand(segments, "fetched", await ground.script("plugin-barman-cloud", "fetch-by-hand.sh", segments));
  }
  await ground.believes();
  return byPlugin(ground, segments, "fetched", () => ground.script("postgres", "fetch.sh", segments));
}

async function archive(ground: Ground, { way, compression, parallel, run }: Of<"archive">): Promise<Carried> {
  const segments = await ground.segments(run);
  await ground.configure({ walCompression: compression, walMaxParallel: parallel });
  if (way === "hand") return byHand(segments, "archived", await ground.archiveByHand(compression, segments));
  return archiveOnceMore(ground, segments);
}

async function archiveOnceMore(ground: Ground, segments: readonly string[]): Promise<Carried> {
  await ground.believes();
  await ground.idle();
  return byPlugin(ground, segments, "archived", () => ground.script("postgres", "archive.sh", segments));
}

/** Removes the segments' other compressions from the archive: which of several barman takes is its own affair. @returns segments that are not there in this one */
async function leaveOnly(ground: Ground, compression: MeasuredWalCompression, segments: readonly string[]) {
  const program = await readFile(join(__dirname, "scripts", "leave-only.py"), "utf8");
  const args = [program, ground.ownServer, suffixes[compression], ...segments];
  return (await ground.script("plugin-barman-cloud", "in-bucket.sh", args)).split("\n").filter(Boolean);
}

function byHand(segments: readonly string[], step: string, log: string): Carried {
  const cpu = /^cpu (.*)$/m.exec(log)?.[1] ?? "";
  return {
    seconds: secondsOf(readSteps(log).parts, step),
    segments: segments.length,
    cpuSeconds: cpuSeconds(cpu),
  };
}

async function byPlugin(
  ground: Ground,
  segments: readonly string[],
  step: string,
  work: () => Promise<string>,
): Promise<Carried> {
  const before = cpuSeconds(await ground.sidecarStat());
  const log = await work();
  const after = cpuSeconds(await ground.sidecarStat());
  if (after < before) throw new Error("the sidecar was ended meanwhile, and began anew: had it enough memory?");
  return { seconds: secondsOf(readSteps(log).parts, step), segments: segments.length, cpuSeconds: after - before };
}

/**
 * Processor time of a process and of those that it started and that have ended, from its /proc/<id>/stat (proc_pid_stat(5): utime, stime, cutime, cstime, in
 * hundredths of a second whatever the kernel's own clock is).
 */
export function cpuSeconds(stat: string): number {
  // The second field is the program's name in brackets, which may hold anything.
  const fields = stat
    .slice(stat.lastIndexOf(")") + 2)
    .trim()
    .split(" ");
  const ticks = fields.slice(11, 15).map(Number);
  if (ticks.length !== 4 || ticks.some(Number.isNaN)) throw new Error(`this is no /proc/<id>/stat: ${stat}`);
  return ticks.reduce((sum, each) => sum + each, 0) / 100;
}

function secondsOf(parts: Readonly<Record<string, number>>, step: string): number {
  const seconds = parts[step];
  if (seconds === undefined) throw new Error(`the script did not come to the step ${step}`);
  return seconds;
}

/** What lies below a folder of the backups; all of it where none is named. */
async function listing(ground: Ground, folder = ""): Promise<Listing> {
  const program = await readFile(join(__dirname, "..", "..", "recovery", "list-bucket.py"), "utf8");
  return answerOf(await ground.script("plugin-barman-cloud", "in-bucket.sh", [program, folder]));
}

/** Barman's suffixes. */
const suffixes: Readonly<Record<MeasuredWalCompression, string>> = {
  none: "",
  gzip: ".gz",
  lz4: ".lz4",
  snappy: ".snappy",
  zstd: ".zst",
};

async function stored(ground: Ground, { compression, run }: Of<"stored">): Promise<Figures["stored"]> {
  const found = await listing(ground);
  return { segmentBytes: meanBytes(found, ground.ownServer, compression, await ground.segments(run)) };
}

/** What a segment takes on average that lies under this server's name, compressed in this way. @throws Error where one is not there */
export function meanBytes(
  { objects }: Pick<Listing, "objects">,
  server: string,
  compression: MeasuredWalCompression,
  segments: readonly string[],
): number {
  const sizes = segments.map((segment) => {
    const end = `/${server}/wals/${segment.slice(0, 16)}/${segment}${suffixes[compression]}`;
    const found = objects.find(({ key }) => `/${key}`.endsWith(end));
    if (found === undefined) throw new Error(`not in the store as ${compression}: ${segment}`);
    return found.bytes;
  });
  return sizes.reduce((a, b) => a + b, 0) / sizes.length;
}

interface Sample {
  readonly age: number | null;
  readonly waiting: number;
  readonly commits: number;
  readonly position: number;
}

/** Writes for longer than the promise is, and looks twice a second meanwhile. */
async function point(ground: Ground, load: Load): Promise<Figures["point"]> {
  await ground.configure({});
  await ground.sql(...tables);
  await ground.believes();
  await ground.idle();
  const look = async () => JSON.parse(await ground.sql(oldestCommit)) as Sample;
  const { position: from } = await look();
  const began = Date.now();
  const over = new AbortController();
  const writing = ground.sql(forSeconds(load, ground.values.backupRecoveryPoint + loadBeyond)).finally(() => {
    over.abort();
  });
  // It is waited for below; until then a failure is not to end the process.
  writing.catch(() => undefined);
  const samples: Sample[] = [];
  while (!over.signal.aborted) {
    samples.push(await look());
    await sleep(500);
  }
  await writing;
  const seconds = (Date.now() - began) / 1000;
  const { position: to, commits } = await look();
  await ground.sql(...tables);
  const ages = samples.flatMap(({ age }) => age ?? []);
  return {
    samples: ages.length,
    median: median(ages),
    most: Math.max(...ages),
    waiting: Math.max(...samples.map(({ waiting }) => waiting)),
    commits,
    walBytes: to - from,
    seconds,
  };
}

async function base(ground: Ground, { way, compression, size }: Of<"base">): Promise<Figures["base"]> {
  await ground.resize(size);
  await ground.configure({ compression });
  await ground.script("postgres", "read-files.sh");
  const databaseBytes = await ground.databaseBytes();
  if (way === "plugin") {
    const { backup, seconds } = await ground.backup(size, compression);
    const found = await listing(ground, `${ground.ownServer}/base`);
    return { seconds, databaseBytes, storedBytes: storedBytes(found, ground.ownServer, backup.id) };
  }
  const { handServer } = ground;
  const options = [
    ...["--jobs", String(ground.values.backupJobs)],
    ...(compression === "none" ? [] : [`--${compression}`]),
  ];
  const log = await ground.script("plugin-barman-cloud", "backup-by-hand.sh", options, {}, handServer);
  const found = await listing(ground, `${handServer}/base`);
  // Every one is removed again: it is the newest.
  const id = found.objects
    .flatMap(({ key }) => new RegExp(`/${handServer}/base/([^/]+)/`).exec(key)?.[1] ?? [])
    .sort()
    .at(-1);
  if (id === undefined) throw new Error("the base backup by hand is not in the store");
  await ground.script("plugin-barman-cloud", "delete-backup.sh", [id], {}, handServer);
  return {
    seconds: secondsOf(readSteps(log).parts, "stored"),
    databaseBytes,
    storedBytes: storedBytes(found, handServer, id),
  };
}

/** What a base backup takes in the store. */
export function storedBytes({ objects }: Pick<Listing, "objects">, server: string, id: string): number {
  return objects.filter(({ key }) => key.includes(`/${server}/base/${id}/`)).reduce((sum, { bytes }) => sum + bytes, 0);
}

async function restore(ground: Ground, { way, size }: Of<"restore">): Promise<Figures["restore"]> {
  await ground.resize(size);
  const { id } = await ground.restorable(size);
  if (way === "hand") {
    const databaseBytes = await ground.databaseBytes();
    const log = await ground.script("plugin-barman-cloud", "restore-by-hand.sh", [id]);
    return { fetchSeconds: secondsOf(readSteps(log).parts, "fetched"), databaseBytes };
  }
  const report = await ground.hurried(() => drillNow(ground.settings, () => undefined));
  const { restore: restored, recoveryTime } = report;
  if (!report.passed) throw new Error(`the drill failed: ${report.reason ?? "it does not say why"}`);
  const seconds = recoveryTime?.seconds ?? null;
  const fetchSeconds = restored?.fetchSeconds ?? null;
  const databaseBytes = restored?.databaseBytes ?? null;
  if (restored == null || seconds === null || fetchSeconds === null || databaseBytes === null) {
    throw new Error("the drill passed, and does not say how long it took");
  }
  const { replaySeconds, walSegments, fixedSeconds, largestDatabaseBytes } = restored;
  return {
    fetchSeconds,
    databaseBytes,
    recovery: { seconds, replaySeconds, walSegments, fixedSeconds, largestDatabaseBytes },
  };
}
