import { names } from "../../components/names";
import { expectation, lastMeasured } from "../expectation";
import { type Followed, follow, intention } from "../follow";
import { annotations, recoveringCluster, recoveryTarget } from "../manifest";
import { Objects } from "../objects";
import { targetWords } from "../plan";
import { type Prepared, prepare, type Request } from "../preflight";
import { type RecoveryReport, renderReport, reportedBackup, sound } from "../report";
import type { RecoverySettings } from "../settings";
import { endedWhereAsked, lookAt, soundContents } from "../verification";
import { commandLine, type Options } from "./options";

/** Recovers into a new Cluster beside the old one, and verifies it. @returns exit code: 0, or 2 where what was recovered is not what was asked for */
export async function recover(settings: RecoverySettings, request: Request, options: Options): Promise<number> {
  const began = Date.now();
  const say = (line: string) => process.stderr.write(`[recover] ${line}\n`);
  const objects = new Objects(settings.stack);
  const prepared = await prepare(settings, objects, request, say);
  const { name, server, store, target, plan, spec, database } = prepared;
  say(`ready: ${server} to ${targetWords(target)}, into the new Cluster ${name}: ${intention(plan)}`);
  say(`expected: ${expectation(await lastMeasured(objects), plan)}`);
  const begun = Date.now();
  const end = recoveryTarget(target, plan.backup);
  await objects.create(
    "clusters",
    recoveringCluster({
      name,
      namespace: objects.namespace,
      spec,
      source: { objectStore: store.metadata.name, serverName: server, ...(end === undefined ? {} : { target: end }) },
      database,
      annotations: {
        [annotations.from]: server,
        [annotations.target]: targetWords(target),
        [annotations.begun]: new Date(began).toISOString(),
      },
    }),
  );
  const discard = commandLine(options, `discard --as ${name}`);
  const instances = spec.instances ?? 1;
  const followed = await follow(objects, { name, plan, instances, deadline: settings.deadline, discard }, say);
  say("verifying: tables are counted, indexes checked …");
  const report = await verified(objects, prepared, followed, { began, begun });
  process.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : renderReport(report));
  process.stderr.write(nextSteps(settings, prepared, options, report));
  return sound(report) ? 0 : 2;
}

async function verified(
  objects: Objects,
  { name, server, target, plan, database }: Prepared,
  followed: Followed,
  { began, begun }: { readonly began: number; readonly begun: number },
): Promise<RecoveryReport> {
  const { progress, replayBegan, recovered, firstInstance, allInstances } = followed;
  const contents = await lookAt(objects.in(name), database.database);
  const seconds = (from: number, to: number) => Math.max(0, Math.round((to - from) / 100) / 10);
  return {
    cluster: name,
    namespace: objects.namespace,
    from: server,
    target: targetWords(target),
    began: new Date(began).toISOString(),
    baseBackup: reportedBackup(plan.backup),
    segments: progress.replayed,
    lastCommit: progress.lastCommit ?? null,
    contents,
    checks: [...endedWhereAsked(target, plan, progress), ...soundContents(target, contents)],
    seconds: {
      preflight: seconds(began, begun),
      baseBackup: seconds(begun, replayBegan),
      replay: seconds(replayBegan, recovered),
      firstInstance: seconds(began, firstInstance),
      allInstances: seconds(began, allInstances),
      verification: seconds(allInstances, Date.now()),
    },
  };
}

/** What a person does now. */
function nextSteps(
  { values }: RecoverySettings,
  { name, database, primary }: Prepared,
  options: Options,
  report: RecoveryReport,
): string {
  const psql = (pod: string) =>
    `kubectl -n ${values.namespace} exec -it ${pod} -c postgres -- psql ${database.database}`;
  return [
    "Applications do not use it yet. Next:",
    `  connect      ${psql(`${name}-1`)}`,
    ...(primary === undefined ? [] : [`  compare      ${psql(primary)}   (${values.clusterName}, the former one)`]),
    sound(report)
      ? `  promote      ${commandLine(options, `promote --as ${name}`)}   (${names.pooler} and the Secret ${names.connectionSecret} turn to it)`
      : "  promote      only after the failed check is understood",
    `  throw away   ${commandLine(options, `discard --as ${name}`)}`,
    "",
  ].join("\n");
}
