/** `npm run campaign -- kill`: kills everything about the migration, at every moment, many times, and looks whether the next run finishes it. */
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { down, up } from "../../local/kubernetes/cluster";
import { step } from "../../local/progress";
import { migrate } from "./kill";
import { opening, plan } from "./plan";
import { setTheScene } from "./scene";

const usage = `npm run campaign -- kill [OPTIONS]

  migrates a small database again and again, and each time kills what takes part in it before it is done: the Job, the engine, the source's
  sessions and network, the target's server, the disks. Then it runs the migration once more, and compares.
  Ends with 0 where everything was as it should be, with 1 where not.

  --seed N       the same seed, the same kills; without it a random one, which is said
  --runs N       how many migrations (default: 6, which kill at every moment once)
  --only N       of them the Nth alone
  --name NAME    the embedded cluster (default: campaign); made anew if it is not there
  --keep         leave the cluster up
`;

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      seed: { type: "string", default: String(randomInt(1_000_000)) },
      runs: { type: "string", default: String(opening) },
      only: { type: "string" },
      name: { type: "string", default: "campaign" },
      keep: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const numbers = [values.seed, values.runs, values.only ?? values.runs].every((text) => /^\d{1,9}$/.test(text));
  if (values.help || positionals.join(" ") !== "kill" || !numbers) {
    process.stderr.write(usage);
    return values.help ? 0 : 64;
  }
  const planned = [...plan(Number(values.seed), Number(values.runs)).entries()];
  const migrations = planned.filter(([index]) => values.only === undefined || index === Number(values.only) - 1);
  const kills = migrations.flatMap(([, each]) => each).length;
  step(`seed ${values.seed}, ${migrations.length} migrations, ${kills} kills`);
  const scene = await setTheScene(values.name, await up({ name: values.name }));
  try {
    let faults = 0;
    for (const [index, each] of migrations) {
      step(`migration ${index + 1} of ${planned.length}`);
      const found = await migrate(scene, each, step);
      for (const fault of found) step(`  WRONG: ${fault}`);
      faults += found.length;
    }
    step(
      `seed ${values.seed}, ${migrations.length} migrations: ${faults === 0 ? "all as it must be" : `${faults} faults`}`,
    );
    return faults === 0 ? 0 : 1;
  } finally {
    if (values.keep) await scene.takeDown();
    else await down({ name: values.name });
  }
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
