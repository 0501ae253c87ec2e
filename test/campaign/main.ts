/** `npm run campaign -- kill`: kills everything about the migration, at every moment, many times, and looks whether the next run finishes it. */
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { down, up } from "../../local/kubernetes/cluster";
import { step } from "../../local/progress";
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
  --slice        the three migrations that test/e2e/migration-kill.test.ts makes
  --only N[-M]   of them the Nth alone, or the Nth to the Mth
  --minutes N    no migration is begun any more after so long (default: 1440)
  --name NAME    the embedded cluster (default: campaign); made anew if it is not there
  --keep         leave the cluster up
`;

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      seed: { type: "string", default: String(randomInt(1_000_000)) },
      runs: { type: "string" },
      online: { type: "boolean", default: false },
      slice: { type: "boolean", default: false },
      only: { type: "string" },
      minutes: { type: "string", default: "1440" },
      name: { type: "string", default: "campaign" },
      keep: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const { seed, name } = values;
  const mode: Mode = values.online ? "online" : "offline";
  const sliced = slice(Number(seed));
  const runs = values.runs ?? String(values.slice ? sliced.length : opening[mode]);
  const numbers = [seed, runs, values.minutes].every((text) => /^\d{1,9}$/.test(text));
  const range = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(values.only ?? `1-${runs}`);
  const nonsense = positionals.join(" ") !== "kill" || (values.slice && values.online);
  if (values.help || nonsense || !numbers || range === null) {
    process.stderr.write(usage);
    return values.help ? 0 : 64;
  }
  const first = Number(range[1]);
  const last = Number(range[2] ?? first);
  const migrations = (values.slice ? sliced.slice(0, last) : plan(Number(seed), last, mode)).slice(first - 1);
  const kind = values.slice ? "--slice " : values.online ? "--online " : "";
  const cluster = await up({ name });
  const scene = await setTheScene(mode, name, cluster).catch(async (error: unknown) => {
    if (!values.keep) await down({ name });
    throw error;
  });
  const end = Date.now() + Number(values.minutes) * 60_000;
  const struck: Struck[] = [];
  let done = 0;
  let faults = 0;
  try {
    for (const [index, kills] of migrations.entries()) {
      if (Date.now() > end) break;
      const number = first + index;
      step(`seed ${seed}, migration ${number}; again: npm run campaign -- kill ${kind}--seed ${seed} --only ${number}`);
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
    if (values.keep) await scene.takeDown();
    else await down({ name });
  }
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
