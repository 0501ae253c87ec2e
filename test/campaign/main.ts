/**
 * `npm run campaign -- kill`: kills everything about the migration, at every moment, many times, and looks whether the next run finishes it.
 * `npm run campaign -- gap`: measures how long an application cannot write while it is moved online.
 */
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { down, type EmbeddedCluster, up } from "../../local/kubernetes/cluster";
import { parseSize } from "../../local/legacy/plan";
import { step } from "../../local/progress";
import { measureGap, setTheCourse } from "./gap";
import { migrate } from "./kill";
import { type Mode, opening, plan, slice } from "./plan";
import { setTheScene } from "./scene";
import { type Struck, table } from "./table";

const usage = `npm run campaign -- kill [OPTIONS]

  migrates a small database again and again, and each time kills what takes part in it before it is done: the Job, the engine, who started it, the
  source's sessions and network, the target's server, the disks. Then it runs the migration once more, and compares. In the end it tells who was hit
  in which phase. Ends with 0 where everything was as it should be, with 1 where not.

  --seed N       the same seed, the same kills; without it a random one, which is said
  --runs N       how many migrations (default: 6, online 8, which kill at every moment once)
  --online       the online mode instead of the offline one
  --slice        the two migrations that test/e2e/migration-kill.test.ts makes
  --only N[-M]   of them the Nth alone, or the Nth to the Mth
  --minutes N    no migration is begun any more after so long (default: 1440)

npm run campaign -- gap [OPTIONS]

  migrates a database in the online mode beside a writer that knows the old host name alone, and tells for how long none of its orders was acknowledged.
  Ends with 0 where that was the limit at most and nothing that was acknowledged is lost, with 1 where not.

  --size SIZE    of the legacy database, 10MB to 10GB (default: 1GB)
  --runs N       how many migrations; the median counts (default: 1)
  --limit N      seconds (default: 5)

both:
  --name NAME    the embedded cluster (default: campaign); made anew if it is not there
  --keep         leave the cluster up
`;

const options = {
  seed: { type: "string", default: String(randomInt(1_000_000)) },
  runs: { type: "string" },
  online: { type: "boolean", default: false },
  slice: { type: "boolean", default: false },
  only: { type: "string" },
  minutes: { type: "string", default: "1440" },
  size: { type: "string", default: "1GB" },
  limit: { type: "string", default: "5" },
  name: { type: "string", default: "campaign" },
  keep: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

type Values = ReturnType<typeof parse>["values"];

function parse(args: string[]) {
  return parseArgs({ args, allowPositionals: true, options });
}

function isNumber(text: string): boolean {
  return /^\d{1,9}$/.test(text);
}

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parse(args);
  const command = new Map([
    ["kill", kill],
    ["gap", gap],
  ]).get(positionals.join(" "));
  const code = values.help ? undefined : await command?.(values);
  if (code === undefined) process.stderr.write(usage);
  return code ?? (values.help ? 0 : 64);
}

/** A cluster with a stage on it, for as long as it is used. */
async function onStage<Stage extends { readonly takeDown: () => Promise<void> }>(
  { name, keep }: Values,
  set: (cluster: EmbeddedCluster) => Promise<Stage>,
  use: (stage: Stage) => Promise<number>,
): Promise<number> {
  let stage: Stage | undefined;
  try {
    stage = await set(await up({ name }));
    return await use(stage);
  } finally {
    if (keep) await stage?.takeDown();
    else await down({ name });
  }
}

/** @returns undefined where the options make no sense */
async function kill(values: Values): Promise<number | undefined> {
  const { seed, name } = values;
  const mode: Mode = values.online ? "online" : "offline";
  const sliced = slice(Number(seed));
  const runs = values.runs ?? String(values.slice ? sliced.length : opening[mode]);
  const range = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(values.only ?? `1-${runs}`);
  if (![seed, runs, values.minutes].every(isNumber) || (values.slice && values.online) || range === null)
    return undefined;
  const first = Number(range[1]);
  const last = Number(range[2] ?? first);
  const migrations = (values.slice ? sliced.slice(0, last) : plan(Number(seed), last, mode)).slice(first - 1);
  const kind = values.slice ? "--slice " : values.online ? "--online " : "";
  const set = (cluster: EmbeddedCluster) => setTheScene(mode, name, cluster);
  return onStage(values, set, async (scene) => {
    const end = Date.now() + Number(values.minutes) * 60_000;
    const struck: Struck[] = [];
    let done = 0;
    let faults = 0;
    try {
      for (const [index, kills] of migrations.entries()) {
        if (Date.now() > end) break;
        const number = first + index;
        step(
          `seed ${seed}, migration ${number}; again: npm run campaign -- kill ${kind}--seed ${seed} --only ${number}`,
        );
        const told = await migrate(scene, kills, step);
        for (const fault of told.faults) step(`  WRONG: ${fault}`);
        faults += told.faults.length;
        struck.push(...told.struck.map((each) => ({ ...each, faults: told.faults.length })));
        done += 1;
      }
      step(
        `seed ${seed}, ${done} migrations: ${faults === 0 ? "all finished by the next run, equal, and whole" : `${faults} faults`}`,
      );
      return faults === 0 ? 0 : 1;
    } finally {
      for (const line of table(struck)) step(line);
    }
  });
}

/** @returns undefined where the options make no sense */
async function gap(values: Values): Promise<number | undefined> {
  const { size, limit, runs = "1" } = values;
  if (![limit, runs].every(isNumber) || Number(runs) === 0) return undefined;
  parseSize(size);
  const set = (cluster: EmbeddedCluster) => setTheCourse(cluster, size);
  return onStage(values, set, async (course) => {
    const gaps: number[] = [];
    let faults = 0;
    for (let run = 1; run <= Number(runs); run++) {
      step(`${size}, migration ${run} of ${runs}`);
      const measured = await measureGap(course, step);
      for (const fault of measured.faults) step(`  WRONG: ${fault}`);
      faults += measured.faults.length;
      gaps.push(measured.gap);
    }
    const sorted = gaps.sort((a, b) => a - b).map((milliseconds) => milliseconds / 1000);
    const median = sorted[Math.floor((sorted.length - 1) / 2)]!;
    step(`${size}: no order for ${median.toFixed(1)} s (${sorted.map((each) => each.toFixed(1)).join(", ")})`);
    return faults === 0 && median <= Number(limit) ? 0 : 1;
  });
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
