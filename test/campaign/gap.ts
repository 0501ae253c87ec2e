import type { EmbeddedCluster } from "../../local/kubernetes/cluster";
import { connect, readyPod } from "../../local/legacy/cluster";
import { connectionSecret } from "../../local/legacy/legacy";
import { parseSize } from "../../local/legacy/plan";
import { acknowledged, missing, startWriter, stopWriter } from "../../local/legacy/writer";
import { Hold } from "../../migration/engine/hold";
import { Kubernetes } from "../../migration/engine/kubernetes";
import { type Settings, settingsVariable } from "../../migration/engine/settings";
import type { MigrationReport } from "../../migration/migration";
import {
  applyPooler,
  legacyImage,
  migrationFixture,
  type MigrationFixture,
  poolerRuns,
  startProgram,
  takeSourcePassword,
} from "../e2e/migration-fixture";
import { until } from "../e2e/kubectl";
import { bundleEngine, type Program } from "./engine";
import { reset } from "./proof";
import { query } from "./query";

type Tell = (line: string) => void;

/** A time in which nothing was acknowledged. */
export interface Gap {
  readonly from: number;
  readonly to: number;
}

/** The longest time between two of them, which are in order; undefined where there are less than two. */
export function longestGap(times: readonly number[]): Gap | undefined {
  const gaps = times.slice(1).map((to, index): Gap => ({ from: times[index]!, to }));
  return gaps.reduce<Gap | undefined>(
    (longest, gap) => (longest === undefined || gap.to - gap.from > longest.to - longest.from ? gap : longest),
    undefined,
  );
}

/** A legacy database, an empty Cluster and its Pooler; the old host name becomes the Pooler's. */
export interface Course {
  readonly fixture: MigrationFixture;
  readonly settings: Settings;
  readonly engine: Program;
  readonly takeDown: () => Promise<void>;
}

/** @param size of the legacy database, for example `1GB` */
export async function setTheCourse(cluster: EmbeddedCluster, size: string): Promise<Course> {
  const gibibytes = parseSize(size) / 2 ** 30;
  const room = (times: number) => ({ size: `${Math.ceil(2 + times * gibibytes)}Gi`, storageClass: "" });
  const place = { cluster, targetStorage: room(4), dumpStorage: room(1) };
  const fixture = await migrationFixture("gap", {
    size,
    walLevel: "logical",
    parameters: { max_wal_size: "2GB" },
    place,
  });
  await applyPooler(fixture, 1);
  await takeSourcePassword(fixture);
  await poolerRuns(fixture);
  const engine = await bundleEngine();
  return {
    fixture,
    settings: { ...fixture.settings, mode: "online", alias: { holdSeconds: 60 } },
    engine,
    takeDown: async () => {
      await fixture.takeDown();
      await engine.remove();
    },
  };
}

/** How often the writer writes, each time by a new connection to the old host name, in milliseconds. */
const period = 100;

/** What one migration came to for the writer. */
export interface Measured {
  /** In milliseconds. */
  readonly gap: number;
  /** What is not as it must be. */
  readonly faults: readonly string[];
}

/**
 * One online migration beside a writer that knows the old host name alone: it comes by it to the old database, then to the pooler of the new one. Ends with an empty
 * target and an open source.
 *
 * @throws Error where the migration fails
 */
export async function measureGap({ fixture, settings, engine }: Course, tell: Tell): Promise<Measured> {
  const { namespace } = fixture;
  const legacyTarget = { ...fixture.target, namespace };
  const api = connect(legacyTarget);
  const old = { api, namespace, pod: await readyPod(api, namespace), user: "naytife" };
  const next = { api, namespace, pod: "naytife-postgres-1", user: "postgres" };
  const source = (sql: string, database = "postgres") => query(old, sql, database);
  const target = (sql: string, database = "postgres") => query(next, sql, database);

  const writer = await startWriter(legacyTarget, {
    name: "writer",
    image: legacyImage,
    periodMilliseconds: period,
    durationSeconds: 7200,
    url: await connectionSecret(legacyTarget),
  });
  const began = Date.now();
  const said: { at: number; line: string }[] = [];
  const environment = { [settingsVariable]: JSON.stringify(settings) };
  const running = startProgram([engine.path], environment, (line) => said.push({ at: Date.now(), line }));
  const { code, output, errors } = await running.outcome;
  if (code !== 0) throw new Error(errors);
  const seconds = (Date.now() - began) / 1000;
  const written = (await acknowledged(writer)).length;
  await until("more orders after the switch", 60, async () =>
    (await acknowledged(writer)).length > written + 10 ? true : undefined,
  );
  const log = await stopWriter(writer);
  const times = log.acknowledged.map(({ at }) => at.getTime());
  const gap = longestGap(times);
  if (gap === undefined) throw new Error("nothing was acknowledged");
  const before = longestGap(times.filter((at) => at <= gap.from));
  const report = JSON.parse(output) as MigrationReport;
  const lost = await missing(log.acknowledged, async (sql) =>
    (await target(sql, "naytifedb")).split("\n").map((id) => [id]),
  );
  const told = [
    `${inSeconds(gap)} s without an order (${report.online?.frozenSeconds ?? "?"} s of it from the freeze to the switch), ${before === undefined ? "?" : inSeconds(before)} s at most before`,
    `${times.length} orders acknowledged, ${lost.length} of them lost; ${log.errors.length} refused`,
    `${report.online?.changedRows ?? "?"} changed rows compared in the freeze`,
    `${seconds.toFixed(0)} s in all`,
  ];
  tell(`  ${told.join("; ")}`);
  for (const { at, line } of said.filter(({ at }) => at > gap.from - 1500 && at < gap.to + 500)) {
    tell(`    ${((at - gap.from) / 1000).toFixed(2).padStart(6)} s  ${line}`);
  }
  for (const { message } of log.errors) tell(`    refused: ${message}`);
  await reset({ fixture, api, source, target });
  // The old host name leads to the old database again.
  await new Hold(new Kubernetes(settings), settings, () => undefined).settle();
  return { gap: gap.to - gap.from, faults: lost.map(({ id }) => `order ${id} was acknowledged and is not there`) };
}

function inSeconds({ from, to }: Gap): string {
  return ((to - from) / 1000).toFixed(1);
}
