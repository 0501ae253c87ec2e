/** The ways that are a script in a Job. */
import { cpus } from "node:os";
import { quantity } from "../../../postgresql/quantity";
import { findProgram } from "../../../local/kubernetes/preflight";
import { errand, type Errand } from "../errand";
import { beginBackup, untilSafe, type Ground } from "../ground";
import type { Measurement } from "../results";
import type { Way } from "./way";

/** Steps that are neither copy nor index. */
const others = ["analyzed", "compared"];

async function measure(
  ground: Ground,
  run: () => Promise<Errand>,
  grown: boolean,
): Promise<Omit<Measurement, "cluster">> {
  const began = Date.now();
  const { parts, ended, parity, complaints } = await run();
  const seconds = (at: number) => (at - began) / 1000;
  return {
    parts,
    copyAndIndex: Object.entries(parts).reduce((sum, [step, took]) => (others.includes(step) ? sum : sum + took), 0),
    verified: seconds(ended),
    ...(grown ? { safe: seconds(await untilSafe(ground, await beginBackup(ground))) } : {}),
    parity,
    complaints,
  };
}

export const pipe: Way = {
  begins: "full",
  archives: "plan",
  move: (ground) => measure(ground, () => errand(ground, "pipe.sh"), true),
};

export const parallel: Way = {
  begins: "full",
  archives: "plan",
  move: (ground) => measure(ground, () => errand(ground, "parallel.sh"), true),
};

export const pgcopydb: Way = {
  begins: "full",
  archives: "plan",
  absent: async () =>
    (await findProgram("pgcopydb")) === undefined ? "not here: no pgcopydb on PATH (Debian has a package)" : undefined,
  move: async (ground) => {
    const program = await findProgram("pgcopydb");
    return measure(ground, () => errand(ground, "pgcopydb.sh", {}, program), true);
  },
};

export const ceiling: Way = {
  begins: "lone",
  archives: "nobody",
  move: (ground) => {
    const cores = cpus().length;
    // What an index build may use of the instance, as migration/job/index.sh reckons it.
    const memory = Math.floor((quantity(ground.target.memory) ?? 0) / 4 / ground.jobs / 1024);
    const environment = {
      // One more than cores: while one waits for the disk, another has the core.
      PIPES: String(cores + 1),
      WORKERS: String(Math.max(0, Math.min(4, cores - 1))),
      MAINTENANCE_MEMORY: `${Math.max(65_536, Math.min(1_048_576, memory))}kB`,
    };
    return measure(ground, () => errand(ground, "ceiling.sh", environment), false);
  },
};
