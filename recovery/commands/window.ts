import { humanBytes } from "../../migration/engine/events";
import { type Archive, reach, windows } from "../archive";
import { expectation, expectedSeconds, lastMeasured, type Measured } from "../expectation";
import { Objects } from "../objects";
import { lacking, planRecovery, type RecoveryPlan, stamp, windowWords } from "../plan";
import { archivesOfStack } from "../preflight";
import type { RecoverySettings } from "../settings";
import type { Options } from "./options";

/** Says what the bucket holds and up to when it can be recovered, and changes nothing. @returns exit code: 0, or 3 where nothing can be recovered */
export async function window(settings: RecoverySettings, options: Options): Promise<number> {
  const objects = new Objects(settings.stack);
  const all = await archivesOfStack(settings, objects, (line) => process.stderr.write(`[recover] ${line}\n`));
  const measured = await lastMeasured(objects);
  const answer = all.map((archive) => facts(archive, measured));
  process.stdout.write(options.json ? `${JSON.stringify(answer, null, 2)}\n` : describe(all, measured));
  return all.some((archive) => windows(archive).length > 0) ? 0 : 3;
}

/** The recovery of everything that an archive has; undefined where that cannot be. */
function wholePlan(archive: Archive): RecoveryPlan | undefined {
  const planned = planRecovery(archive, { kind: "latest" });
  return "plan" in planned ? planned.plan : undefined;
}

/** An archive as JSON tells it: times in ISO 8601. */
function facts(archive: Archive, measured: Measured | undefined) {
  const { server, backups, segments, timelines } = archive;
  const plan = wholePlan(archive);
  return {
    server,
    expectedSeconds: measured === undefined || plan === undefined ? null : expectedSeconds(measured, plan),
    windows: windows(archive).map(({ from, to }) => ({
      from: new Date(from).toISOString(),
      to: new Date(to).toISOString(),
    })),
    baseBackups: backups.map((backup) => ({
      id: backup.id,
      name: backup.name ?? null,
      end: new Date(backup.end).toISOString(),
      bytes: backup.bytes,
      timeline: backup.timeline,
      missing: reach(archive, backup).missing ?? null,
    })),
    segments: segments.size,
    timeline: timelines.at(-1)?.id ?? 1,
  };
}

/** What the bucket holds, for a person. */
export function describe(all: readonly Archive[], measured: Measured | undefined): string {
  if (all.length === 0) return "The bucket is empty.\n";
  const lines = all.flatMap((archive) => {
    const { server, backups, segments, timelines } = archive;
    const plan = wholePlan(archive);
    return [
      `${server}: ${windowWords(windows(archive))}`,
      ...backups.map((backup) => {
        const { segments: chain, missing } = reach(archive, backup);
        const gap = missing === undefined ? "" : `; then ${lacking(archive, missing)}`;
        return `  base backup  ${backup.name ?? backup.id}, ended ${stamp(backup.end)}, ${humanBytes(backup.bytes)}, ${chain.length} WAL segments after it${gap}`;
      }),
      `  WAL          ${segments.size} segments, timeline ${timelines.at(-1)?.id ?? 1}`,
      ...(plan === undefined ? [] : [`  the latest   ${expectation(measured, plan)}`]),
    ];
  });
  return `${lines.join("\n")}\n`;
}
