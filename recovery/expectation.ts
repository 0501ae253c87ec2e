/** How long a recovery takes, by what the last restore drill measured with this data on this storage. */
import type { DrillReport } from "../drill/report";
import { keptReport } from "../drill/run";
import { humanBytes, humanSeconds } from "../migration/engine/events";
import type { Objects } from "./objects";
import { type RecoveryPlan, stamp } from "./plan";

/** What a drill measured. Times in seconds. */
export interface Measured {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly databaseBytes: number;
  readonly baseBackup: number;
  /** Of WAL, with its fetching. */
  readonly segment: number;
  /** Volumes, pods, the server's start. */
  readonly rest: number;
}

/** What a recovery can go by; undefined where the drill failed, or did not come so far. */
export function measuredBy({ passed, finished, restore }: DrillReport): Measured | undefined {
  if (!passed || restore?.fetchSeconds == null || restore.fixedSeconds === null || restore.databaseBytes === null) {
    return undefined;
  }
  const { fetchSeconds, fixedSeconds, databaseBytes, replaySeconds, walSegments } = restore;
  return {
    at: Date.parse(finished),
    databaseBytes,
    baseBackup: fetchSeconds,
    segment: walSegments === 0 ? 0 : (replaySeconds ?? 0) / walSegments,
    rest: fixedSeconds,
  };
}

/** Seconds until the first instance takes connections. */
export function expectedSeconds({ baseBackup, segment, rest }: Measured, { segments }: RecoveryPlan): number {
  return rest + baseBackup + segment * segments.length;
}

/** The same in words, and what they go by. */
export function expectation(measured: Measured | undefined, plan: RecoveryPlan): string {
  if (measured === undefined) return "nobody knows how long, without the report of a drill that passed: npm run drill";
  const { at, databaseBytes, baseBackup, segment } = measured;
  return (
    `about ${humanSeconds(expectedSeconds(measured, plan))} until it takes connections ` +
    `(base backup ${humanSeconds(baseBackup)}, WAL ${humanSeconds(segment * plan.segments.length)}), by the drill of ${stamp(at)}, of ${humanBytes(databaseBytes)}`
  );
}

/** By the last drill's report, where its signature holds. */
export async function lastMeasured({ kubernetes, namespace }: Objects): Promise<Measured | undefined> {
  const kept = await keptReport(kubernetes, namespace);
  return kept === undefined || kept.fault !== undefined ? undefined : measuredBy(kept.report);
}
