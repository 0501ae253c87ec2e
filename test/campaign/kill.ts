import { setTimeout as sleep } from "node:timers/promises";
import { acknowledged } from "../../local/legacy/writer";
import { settingsVariable } from "../../migration/engine/settings";
import { until } from "../e2e/kubectl";
import { type Outcome, type Running, startProgram } from "../e2e/migration-fixture";
import { comes, Lines } from "./moment";
import type { Kill, Kills } from "./plan";
import { compare, faultsAfterAKill, faultsAtTheEnd, reset, tracks } from "./proof";
import type { Scene } from "./scene";
import { type Blow, strike } from "./strike";
import type { Struck } from "./table";

type Tell = (line: string) => void;

/** A migration that was killed and finished all the same. */
export interface Told {
  readonly struck: readonly Struck[];
  /** Everything that is not as it must be. */
  readonly faults: readonly string[];
  /** What its runs said. */
  readonly said: string;
}

/**
 * One migration: killed as planned, then run until it is done, then run once more. Ends with an empty target and an open source.
 *
 * @param tell receives what is killed, when, and what comes of it
 * @throws Error where the run that is left alone fails: there is nothing to go on with
 */
export async function migrate(scene: Scene, kills: Kills, tell: Tell): Promise<Told> {
  const began = Date.now();
  const struck: Struck[] = [];
  const faults: string[] = [];
  let said = "";
  const over: Promise<unknown>[] = [];
  const before = (await acknowledged(scene.writer)).length;
  let output: string | undefined;
  for (const [index, kill] of kills.entries()) {
    const { outcome, hitIn, faults: found, ended } = await killed(scene, kill, tell);
    struck.push({ victim: kill.victim, hitIn, faults: found.length });
    faults.push(...found);
    said += outcome.errors;
    over.push(ended);
    if (outcome.code !== 0) continue;
    output = outcome.output;
    for (const { victim, at } of kills.slice(index + 1)) {
      tell(`  ${victim}, at "${at}": not any more, all is done`);
      struck.push({ victim, hitIn: undefined, faults: 0 });
    }
    break;
  }
  if (output === undefined) {
    const { outcome, seconds } = await leftAlone(scene);
    said += outcome.errors;
    tell(`  left alone: ${ending(outcome)} (${seconds})`);
    if (outcome.code !== 0) {
      throw new Error([...faults, `the run that was left alone failed:\n${outcome.errors}`].join("\n"));
    }
    output = outcome.output;
  }
  await Promise.all(over);
  const orders = await acknowledged(scene.writer);
  faults.push(...(await faultsAtTheEnd(scene, orders)));

  const was = await tracks(scene);
  const again = await leftAlone(scene);
  if (again.outcome.output !== output) faults.push(`a run more said: ${again.outcome.errors}`);
  if ((await tracks(scene)) !== was) faults.push(`a run more changed what was ${was}`);

  const both = await compare(scene);
  faults.push(...both.faults);
  await reset(scene);
  await until("a write to the source that was opened again", 60, async () =>
    (await acknowledged(scene.writer)).length > orders.length ? true : undefined,
  );
  const seconds = ((Date.now() - began) / 1000).toFixed(1);
  tell(
    `  ${orders.length - before} orders acknowledged meanwhile, all ${orders.length} looked for; ${both.lines} tables, sequences, large objects and ` +
      `definitions compared; a run more (${again.seconds}); ${seconds} s in all: ${faults.length === 0 ? "equal" : "WRONG"}`,
  );
  return { struck, faults, said };
}

function startEngine({ engine, settings }: Scene, onLine?: (line: string) => void): Running {
  return startProgram([engine], { [settingsVariable]: JSON.stringify(settings) }, onLine);
}

/** One run that nobody harms. */
async function leftAlone(scene: Scene): Promise<{ outcome: Outcome; seconds: string }> {
  const began = Date.now();
  const { outcome: running } = startEngine(scene);
  const outcome = await running;
  return { outcome, seconds: secondsSince(began) };
}

/** A run that is killed. */
interface Killed {
  readonly outcome: Outcome;
  /** The phase that it was hit in; undefined where it was not. */
  readonly hitIn: string | undefined;
  /** What is not as it must be right after it. */
  readonly faults: readonly string[];
  /** When nothing of the run is left: an engine that lost who started it goes on for a while. */
  readonly ended: Promise<unknown>;
}

async function killed(scene: Scene, kill: Kill, tell: Tell): Promise<Killed> {
  const began = Date.now();
  const lines = new Lines();
  const engine = startEngine(scene, lines.hear);
  const stopped = new AbortController();
  const planned = `${kill.victim}, at "${kill.at}"${kill.after > 0 ? ` + ${kill.after} ms` : ""}`;
  let hitIn: string | undefined;
  const hitNow = async (goOn: () => Promise<void>): Promise<Blow> => {
    try {
      await sleep(kill.after);
      const phase = lines.phase(kill);
      const last = lines.last();
      const blow = await strike(scene, kill, engine);
      if (blow.hit) hitIn = phase;
      tell(
        `  ${planned}: ${blow.hit ? `hit in "${phase}"` : "it was gone"} after ${secondsSince(began)}, at "${last}"`,
      );
      return blow;
    } finally {
      await goOn();
    }
  };
  const blows: Promise<Blow>[] = [];
  const moment = comes(scene, kill.at, lines, stopped.signal).then((goOn) => blows.push(hitNow(goOn)));
  // Where the run ends before, the moment does not come any more.
  moment.catch(() => undefined);
  const outcome = await engine.outcome;
  stopped.abort();
  const blow = await blows[0];
  if (blow === undefined) tell(`  ${planned}: the run did not come there`);
  tell(`    ${ending(outcome)} (${secondsSince(began)})`);
  await blow?.over;
  // At a random point behind it may have been too late.
  const missed = blow?.hit === true || kill.after > 0 ? [] : [`${planned}: not hit`];
  const faults = [...missed, ...(await faultsAfterAKill(scene, outcome))];
  return { outcome, hitIn, faults, ended: engine.ended };
}

/** How a run ended, in a line. */
function ending({ code, output, errors }: Outcome): string {
  if (code === 0) return `ended well, ${(JSON.parse(output) as { rows: number }).rows} rows`;
  const own = errors.split("\n").filter((line) => line !== "" && !line.startsWith("[migration] "));
  return code === null ? "was killed" : `ended with ${code}: ${own.map((line) => line.trim()).join(" / ")}`;
}

function secondsSince(began: number): string {
  return `${((Date.now() - began) / 1000).toFixed(1)} s`;
}
