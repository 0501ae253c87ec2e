import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { isNotFound } from "../../local/legacy/cluster";
import { tool } from "../../local/toolchain/toolchain";
import { objectNames } from "../../migration/engine/manifests";
import { jobProcesses } from "../e2e/migration-fixture";
import { type Boundary, type Kill, phases } from "./plan";
import type { Scene } from "./scene";
import { targetIsBack } from "./strike";

/** The moments that a run is kept at until it was hit. */
const keptAt: readonly Boundary[] = ["compared", "switch", "switched"];

/** What a run of the engine says, line by line. */
export class Lines {
  private readonly heard: string[] = [];
  private readonly waiting: { readonly pattern: RegExp; readonly tell: () => void }[] = [];

  readonly hear = (line: string): void => {
    this.heard.push(line);
    for (const { pattern, tell } of this.waiting) if (pattern.test(line)) tell();
  };

  /** Waits for a line that matches. */
  said(pattern: RegExp): Promise<void> {
    if (this.heard.some((line) => pattern.test(line))) return Promise.resolve();
    return new Promise((tell) => this.waiting.push({ pattern, tell }));
  }

  last(): string {
    return this.heard.at(-1) ?? "nothing";
  }

  /** The phase that the run was in as far as it has said, or the moment that it was kept at. */
  phase({ at }: Kill): string {
    if (keptAt.includes(at)) return at;
    const said = this.heard.map((line) => {
      if (line.endsWith(" holds the data")) return "end";
      return phases.find((phase) => line.startsWith(`[migration] ${phase}:`) || line === `[migration] ${phase} …`);
    });
    return said.findLast((phase) => phase !== undefined) ?? "begin";
  }
}

/** Lets a run go on that was stopped at its moment. */
type GoOn = () => Promise<void>;

/**
 * Waits until a run has come to a moment. At those that are too short to be met, the run is kept there until it is let go on.
 *
 * @param ended when the run is over, whether it came there or not
 */
export async function comes(scene: Scene, at: Boundary, lines: Lines, ended: AbortSignal): Promise<GoOn> {
  switch (at) {
    case "begin":
      while (!(await jobIsThere(scene))) {
        if (ended.aborted) throw new Error("the run ended before it had a Job");
        await sleep(20);
      }
      break;
    case "dump done":
      await lines.said(/^\[migration\] dump: .*\d\.\d{3} s$/);
      break;
    case "end":
      await lines.said(/ holds the data$/);
      break;
    case "compared":
      await lines.said(/^\[migration\] cut over …$/);
      return standing(scene);
    case "switch":
    case "switched": {
      await lines.said(/^\[migration\] verify …$/);
      const gate = new Gate(scene);
      ended.addEventListener("abort", () => void gate.open());
      await gate.blocked();
      return at === "switch" ? () => gate.open() : afterTheSwitch(scene, gate);
    }
    default:
      await lines.said(new RegExp(`^\\[migration\\] ${at} …$`));
  }
  return () => Promise.resolve();
}

async function jobIsThere({ api, fixture: { settings, namespace } }: Scene): Promise<boolean> {
  try {
    await api.batch.readNamespacedJob({ name: objectNames(settings).job, namespace });
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

/** The Job's first process is stopped; the statement that it waits for comes to its end, and nobody goes on. @param then waits for that, and nothing longer */
async function stop(scene: Scene, then: () => Promise<void>): Promise<() => void> {
  const main = (await jobProcesses(scene.legacyTarget)).find(({ first }) => first);
  const signal = (name: NodeJS.Signals) => {
    try {
      if (main !== undefined) process.kill(main.id, name);
    } catch {
      // It has been killed meanwhile.
    }
  };
  signal("SIGSTOP");
  try {
    await then();
  } catch (error) {
    signal("SIGCONT");
    throw error;
  }
  return () => {
    signal("SIGCONT");
  };
}

/** The Job stands between two statements. */
async function standing(scene: Scene): Promise<GoOn> {
  const sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'naytife\\_migration %'";
  const goOn = await stop(scene, async () => {
    let quiet = 0;
    while (quiet < 3) {
      await sleep(100);
      quiet = (await scene.target(sessions)) === "0" ? quiet + 1 : 0;
    }
  });
  return async () => {
    await targetIsBack(scene);
    goOn();
  };
}

/** With the transaction under way, the Job is stopped; the transaction commits. */
async function afterTheSwitch(scene: Scene, gate: Gate): Promise<GoOn> {
  const goOn = await stop(scene, async () => {
    await gate.open();
    while ((await scene.target("SELECT count(*) FROM naytife_migration.marker")) !== "1") {
      await sleep(50);
    }
  });
  return () => {
    goOn();
    return Promise.resolve();
  };
}

/** A lock on the target that the migration's switch waits for, with the transaction open and both databases renamed in it. */
class Gate {
  private static readonly name = "campaign gate";
  private readonly session: Promise<ChildProcess>;

  constructor(private readonly scene: Scene) {
    this.session = this.close();
  }

  /** Waits until the migration stands before it. Rejected where the session that keeps it closed is lost. */
  async blocked(): Promise<void> {
    const session = await this.session;
    await new Promise<void>((resolve, reject) => {
      session.stdout?.once("data", () => {
        resolve();
      });
      session.once("close", () => {
        reject(new Error("the session on the target that was to stop the switch was lost"));
      });
    });
  }

  async open(): Promise<void> {
    const sql = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '${Gate.name}'`;
    // A server that was killed has let go of it.
    await this.scene.target(sql).catch(() => undefined);
    (await this.session).kill();
  }

  private async close(): Promise<ChildProcess> {
    const { target, namespace } = this.scene.fixture;
    const where = ["--kubeconfig", target.kubeconfig, "--context", target.context, "-n", namespace];
    const psql = ["env", `PGAPPNAME=${Gate.name}`, "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", "postgres"];
    const exec = ["exec", "-i", "naytife-postgres-1", "-c", "postgres", "--", ...psql];
    const session = spawn(await tool("kubectl"), [...where, ...exec], { stdio: ["pipe", "pipe", "ignore"] });
    session.stdin.on("error", () => undefined);
    session.stdin.write(`BEGIN;
      LOCK TABLE naytife_migration.marker IN SHARE MODE;
      DO $$ BEGIN
        WHILE NOT EXISTS (SELECT FROM pg_locks WHERE relation = 'naytife_migration.marker'::regclass AND NOT granted) LOOP PERFORM pg_sleep(0.02); END LOOP;
      END $$;
      SELECT 'blocked';
    `);
    return session;
  }
}
