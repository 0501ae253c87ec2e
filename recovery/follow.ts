import { setTimeout as sleep } from "node:timers/promises";
import { found, type Kubernetes, patiently } from "../migration/engine/kubernetes";
import { RecoveryFailure } from "./failure";
import { looked, receivedBy, recoveryPods, restoringContainer } from "./fetching";
import { type Objects, serves } from "./objects";
import { type RecoveryPlan, stamp } from "./plan";
import { beginning, causeOf, observe, type Progress, progressLine } from "./progress";

/** What a finished recovery showed, and when. */
export interface Followed {
  readonly progress: Progress;
  /** Milliseconds: when the base backup was there, when the WAL was replayed, when the first and when all instances took connections. */
  readonly replayBegan: number;
  readonly recovered: number;
  readonly firstInstance: number;
  readonly allInstances: number;
}

/** What it takes to follow a recovery. */
export interface Following {
  readonly name: string;
  readonly plan: RecoveryPlan;
  readonly instances: number;
  /** Minutes. */
  readonly deadline: number;
  /** How the half Cluster is thrown away. */
  readonly discard: string;
}

/** A pod that failed for a reason that may pass is tried again by its Job; so often is waited for. */
const attempts = 3;
/** Milliseconds between two looks, and at least between two lines of progress. */
const pause = 1000;
const quiet = 5000;
/** Milliseconds in which the last lines of a pod that ended arrive. */
const lastWords = 2000;

/**
 * Follows a recovery from the Cluster's making until all its instances are ready.
 *
 * @throws RecoveryFailure that says why it ended, or that the deadline is over
 */
export async function follow(
  objects: Objects,
  { name, plan, instances, deadline, discard }: Following,
  say: (line: string) => void,
): Promise<Followed> {
  const untouched = `The former Cluster and its archive are as they were. Cluster ${name} is half made, and archives nothing.`;
  const give = (what: string, next: string) =>
    new RecoveryFailure(what, untouched, `${next} Throw the half Cluster away: ${discard}`);
  const end = Date.now() + deadline * 60_000;
  const watch = new Watch(objects.kubernetes, objects.namespace);
  let firstInstance: number | undefined;
  let said = { line: "", at: 0 };
  try {
    for (;;) {
      const cluster = await objects.cluster(name);
      if (cluster === undefined) throw give(`Cluster ${name} was deleted meanwhile`, "Begin anew.");
      const failed = await watch.look(name);
      if (failed !== undefined) {
        await sleep(lastWords);
        const cause = causeOf(failed.progress, plan);
        if (cause.final || watch.count >= attempts) throw give(cause.what, cause.next);
        say(`attempt ${watch.count} of ${attempts} failed: ${cause.what}; the operator tries again`);
      }
      const { progress, replayBegan, recovered } = watch.current;
      const now = Date.now();
      if (serves(cluster)) {
        firstInstance ??= now;
        if (cluster.status?.phase === "Cluster in healthy state" && cluster.status.readyInstances === instances) {
          return {
            progress,
            replayBegan: replayBegan ?? firstInstance,
            recovered: recovered ?? firstInstance,
            firstInstance,
            allInstances: now,
          };
        }
      }
      if (now > end) {
        const where = cluster.status?.phase ?? progressLine(progress, plan, now);
        throw give(
          `it was not done within ${deadline} min: ${where}`,
          "Look for the cause, or set recoveryDeadline higher.",
        );
      }
      const line = await situation(objects, name, progress, plan, firstInstance, cluster.status?.phase);
      if (line !== said.line && now - said.at >= quiet) {
        say(line);
        said = { line, at: now };
      }
      await sleep(pause);
    }
  } finally {
    watch.end();
  }
}

async function situation(
  objects: Objects,
  name: string,
  progress: Progress,
  plan: RecoveryPlan,
  firstInstance: number | undefined,
  phase: string | undefined,
): Promise<string> {
  if (firstInstance !== undefined) return `Cluster ${name} takes connections; ${phase ?? "its other instances follow"}`;
  if (progress.phase !== "starting") return progressLine(progress, plan, Date.now());
  const waiting = await objects.kubernetes.unready(`cnpg.io/cluster=${name}`);
  const pods = waiting.length === 0 ? "" : ` (${waiting.join("; ")})`;
  return `${phase ?? "the operator has not begun"}${pods}`;
}

/** Reads the logs of the operator's recovery Job, pod after pod. */
class Watch {
  private readonly attempts = new Map<string, Attempt>();
  private ended = false;

  constructor(
    private readonly kubernetes: Kubernetes,
    private readonly namespace: string,
  ) {}

  /** The attempt that runs, or ran last. */
  get current(): Attempt {
    return [...this.attempts.values()].at(-1) ?? new Attempt();
  }

  /** How many there were. */
  get count(): number {
    return this.attempts.size;
  }

  /** Takes up the log of each pod that has come since. @returns the attempt that has failed since, if one has */
  async look(cluster: string): Promise<Attempt | undefined> {
    const labelSelector = recoveryPods(cluster);
    const { namespace } = this;
    const { items } = await patiently(() => this.kubernetes.core.listNamespacedPod({ namespace, labelSelector }));
    let failed: Attempt | undefined;
    for (const { metadata, status } of items) {
      const name = metadata?.name ?? "";
      let attempt = this.attempts.get(name);
      if (attempt === undefined) {
        attempt = new Attempt();
        this.attempts.set(name, attempt);
        for (const container of ["plugin-barman-cloud", restoringContainer]) void this.read(name, container, attempt);
      }
      if (attempt.progress.phase === "base backup") await this.weigh(name, attempt);
      if (status?.phase === "Failed" && !attempt.failed) {
        attempt.failed = true;
        failed = attempt;
      }
    }
    return failed;
  }

  end(): void {
    this.ended = true;
  }

  /** How much of the base backup has come. */
  private async weigh(pod: string, attempt: Attempt): Promise<void> {
    const bytes = await receivedBy(this.kubernetes, pod);
    if (bytes === undefined) return;
    attempt.progress = { ...attempt.progress, fetched: looked(attempt.progress.fetched, bytes, Date.now()) };
  }

  /** Line by line until the container ends; a stream that breaks is taken up where it broke. */
  private async read(pod: string, container: string, attempt: Attempt): Promise<void> {
    let since: string | undefined;
    while (!this.ended) {
      const resumed = since;
      try {
        await this.kubernetes.followLog({ pod, container }, resumed, (time, line) => {
          // The server counts from the whole second.
          if (resumed !== undefined && time <= resumed) return;
          since = time;
          attempt.hear(line, Date.parse(time));
        });
        const { namespace } = this;
        const now = await found(patiently(() => this.kubernetes.core.readNamespacedPod({ name: pod, namespace })));
        if (now === undefined || now.status?.phase === "Succeeded" || now.status?.phase === "Failed") return;
      } catch {
        // It has not started yet, or the stream broke.
      }
      await sleep(pause);
    }
  }
}

/** One pod of the recovery Job. */
class Attempt {
  progress: Progress = beginning(Date.now());
  replayBegan: number | undefined;
  recovered: number | undefined;
  failed = false;

  hear(line: string, at: number): void {
    this.progress = observe(this.progress, line, at);
    if (this.progress.phase === "replaying") this.replayBegan ??= at;
    if (this.progress.phase === "recovered") this.recovered ??= at;
  }
}

/** What is about to be done, before the first line of progress. */
export function intention({ backup, segments, until }: RecoveryPlan): string {
  return `base backup ${backup.id} (ended ${stamp(backup.end)}), then at most ${segments.length} WAL segments, up to ${stamp(until)}`;
}
