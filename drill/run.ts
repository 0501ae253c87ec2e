import { setTimeout as sleep } from "node:timers/promises";
import { ApiException, type V1CronJob, type V1Job } from "@kubernetes/client-node";
import { MigrationFailure } from "../migration/engine/failure";
import { Narrator, parseEvent } from "../migration/engine/events";
import { found, Kubernetes, patiently, refusal, waitingFor } from "../migration/engine/kubernetes";
import type { Settings } from "../migration/engine/settings";
import { reportFault } from "../migration/engine/signature";
import { tellFetching } from "./fetching";
import { drillNames, podLabels } from "./names";
import type { DrillReport } from "./report";

/** An end that the reader can act on. */
export class DrillFailure extends Error {
  constructor(what: string, next: string) {
    super(
      `Drill: ${what}\n  Untouched: A drill only reads the database; what it restores, it removes.\n  Next: ${next}`,
    );
    this.name = "DrillFailure";
  }
}

/**
 * Runs the stack's drill now and waits for its end. It goes on when this process ends.
 *
 * @param say takes a line of progress
 * @throws DrillFailure where it could not be begun, or left no report
 */
export async function drillNow(settings: Settings, say: (line: string) => void): Promise<DrillReport> {
  const kubernetes = await reached(settings);
  const { namespace } = settings;
  const cronJob = await found(
    patiently(() => kubernetes.batch.readNamespacedCronJob({ name: drillNames.drill, namespace })),
  );
  if (cronJob === undefined) {
    throw new DrillFailure(
      `there is no CronJob ${drillNames.drill} in namespace ${namespace}`,
      "`pulumi up` makes it, where the stack has backups (backupStore) and `drill` is true.",
    );
  }
  await refuseWhileAnotherRuns(kubernetes, namespace);
  const last = await earlierReport(kubernetes, namespace);
  const name = await begin(kubernetes, namespace, cronJob);
  say(`Job ${name} begins; it goes on if this command is ended: kubectl -n ${namespace} logs -f job/${name}`);
  const ended = new AbortController();
  const fetching = tellFetching(kubernetes, namespace, last, say, ended.signal);
  try {
    return await readReport(kubernetes, namespace, await follow(kubernetes, namespace, name, say));
  } finally {
    ended.abort();
    await fetching;
  }
}

/** The client, once its API server has answered. @throws DrillFailure where it does not */
async function reached(settings: Settings): Promise<Kubernetes> {
  try {
    const kubernetes = new Kubernetes(settings);
    await kubernetes.reach();
    return kubernetes;
  } catch (error) {
    if (error instanceof MigrationFailure) throw new DrillFailure(error.what, error.next);
    throw error;
  }
}

/** The Job that a CronJob's clock would make, made by hand, as `kubectl create job --from` does. Its name says when. */
export function jobFrom(cronJob: V1CronJob, now: Date): V1Job {
  const { metadata: template, spec } = cronJob.spec?.jobTemplate ?? {};
  const { name = "", uid = "" } = cronJob.metadata ?? {};
  const time = now.toISOString().replace(/[-:]|\.\d+/g, "");
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: {
      name: `${name}-${time.toLowerCase()}`,
      labels: { ...template?.labels },
      annotations: { ...template?.annotations, "cronjob.kubernetes.io/instantiate": "manual" },
      ownerReferences: [{ apiVersion: "batch/v1", kind: "CronJob", name, uid, controller: true }],
    },
    ...(spec === undefined ? {} : { spec }),
  };
}

/** @returns the Job's name */
async function begin({ batch }: Kubernetes, namespace: string, cronJob: V1CronJob): Promise<string> {
  try {
    const job = await batch.createNamespacedJob({ namespace, body: jobFrom(cronJob, new Date()) });
    return job.metadata?.name ?? "";
  } catch (error) {
    if (!(error instanceof ApiException)) throw error;
    throw new DrillFailure(
      `the cluster refuses the drill's Job: ${refusal(error)}`,
      "Check the rights of the kubeconfig's context.",
    );
  }
}

const podSelector = Object.entries(podLabels)
  .map(([key, value]) => `${key}=${value}`)
  .join(",");

async function refuseWhileAnotherRuns({ core }: Kubernetes, namespace: string): Promise<void> {
  const { items } = await patiently(() => core.listNamespacedPod({ namespace, labelSelector: podSelector }));
  const running = items.find(({ status }) => status?.phase === "Running" || status?.phase === "Pending");
  if (running === undefined) return;
  throw new DrillFailure(
    `another drill is under way: pod ${running.metadata?.name ?? ""}`,
    `Wait for it: kubectl -n ${namespace} logs -f ${running.metadata?.name ?? ""}`,
  );
}

/** Follows the Job's pod to its end. @returns the pod's name, which is the drill's */
async function follow(
  kubernetes: Kubernetes,
  namespace: string,
  job: string,
  say: (line: string) => void,
): Promise<string> {
  const narrator = new Narrator();
  let drill: string | undefined;
  let said: string | undefined;
  let since: string | undefined;
  for (;;) {
    const labelSelector = `batch.kubernetes.io/job-name=${job}`;
    const { items } = await patiently(() => kubernetes.core.listNamespacedPod({ namespace, labelSelector }));
    const pod = items[0];
    const name = pod?.metadata?.name;
    if (pod === undefined && drill !== undefined) return drill;
    if (pod !== undefined && name !== undefined && pod.status?.phase !== "Pending") {
      drill = name;
      try {
        await kubernetes.followLog({ pod: name, container: "drill" }, since, (time, text) => {
          if (since !== undefined && time <= since) return;
          since = time;
          const event = parseEvent(text);
          const line = event === undefined ? text : narrator.line(event, Date.parse(time));
          if (line !== undefined) say(line);
          if (event?.event === "failed") say(`failed: ${event.text ?? ""}\n  Next: ${event.next ?? ""}`);
        });
      } catch {
        // The log is asked again below, from where it broke off; if its pod has gone, there is no more of it.
      }
      const now = await found(patiently(() => kubernetes.core.readNamespacedPod({ name, namespace })));
      if (now?.status?.phase !== "Running") return name;
    } else {
      const { status } = await patiently(() => kubernetes.batch.readNamespacedJob({ name: job, namespace }));
      const failed = status?.conditions?.find(({ type, status: held }) => type === "Failed" && held === "True");
      if (failed !== undefined) {
        throw new DrillFailure(
          `Job ${job} ended before its pod began: ${failed.message ?? failed.reason ?? ""}`,
          `kubectl -n ${namespace} describe job ${job} says why.`,
        );
      }
      const waiting = pod === undefined ? "its pod is not there yet" : `its pod waits: ${waitingFor(pod)}`;
      if (waiting !== said) say(waiting);
      said = waiting;
    }
    await sleep(1000);
  }
}

/** The drill's report, whose signature holds. */
async function readReport(kubernetes: Kubernetes, namespace: string, drill: string): Promise<DrillReport> {
  const kept = await keptReport(kubernetes, namespace);
  if (kept?.report.drill !== drill) {
    throw new DrillFailure(
      `the drill ${drill} left no report: it was killed, or could not begin`,
      "What it said stands above. Run `npm run drill` again.",
    );
  }
  if (kept.fault !== undefined) {
    throw new DrillFailure(
      `the report in ConfigMap ${drillNames.report} is not what the drill wrote: ${kept.fault}`,
      "Find out who changed it, and run `npm run drill` again.",
    );
  }
  return kept.report;
}

/** The report of the drill before, where it is one that a drill wrote. */
async function earlierReport(kubernetes: Kubernetes, namespace: string): Promise<DrillReport | undefined> {
  try {
    const kept = await keptReport(kubernetes, namespace);
    return kept?.fault === undefined ? kept?.report : undefined;
  } catch {
    // Progress alone goes by it: what somebody made of it is no reason against a new drill.
    return undefined;
  }
}

/** The latest drill's report, and what is wrong with its signature; undefined where none has left one. */
export async function keptReport(
  { core }: Kubernetes,
  namespace: string,
): Promise<{ readonly report: DrillReport; readonly fault: string | undefined } | undefined> {
  const [kept, secret] = await Promise.all([
    found(patiently(() => core.readNamespacedConfigMap({ name: drillNames.report, namespace }))),
    found(patiently(() => core.readNamespacedSecret({ name: drillNames.signing, namespace }))),
  ]);
  const text = kept?.data?.["report.json"] ?? "";
  if (text === "") return undefined;
  const key = secret?.data?.key;
  const fault = reportFault(
    {
      text,
      sha256: kept?.data?.["report.json.sha256"] ?? "-",
      signature: kept?.data?.["report.json.hmac-sha256"] ?? "-",
    },
    key === undefined ? undefined : Buffer.from(key, "base64").toString(),
  );
  return { report: JSON.parse(text) as DrillReport, fault };
}
