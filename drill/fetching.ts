import { setTimeout as sleep } from "node:timers/promises";
import { humanBytes, humanSeconds } from "../migration/engine/events";
import type { Kubernetes } from "../migration/engine/kubernetes";
import { type Fetched, looked, rateOf, receivedBy, recoveryPods } from "../recovery/fetching";
import { drillNames } from "./names";
import type { DrillReport } from "./report";

/** Milliseconds between two looks, and between two lines. */
const pause = 1000;
const quiet = 5000;

/**
 * Says how much the throw-away Cluster has fetched, as long as it comes: the drill itself may not look into that Cluster's pods.
 *
 * @param last the report of the drill before, by which it says how long that took
 */
export async function tellFetching(
  kubernetes: Kubernetes,
  namespace: string,
  last: DrillReport | undefined,
  say: (line: string) => void,
  ended: AbortSignal,
): Promise<void> {
  const { fetchSeconds, databaseBytes } = last?.restore ?? {};
  const before =
    fetchSeconds == null || databaseBytes == null
      ? ""
      : `; the last drill fetched ${humanSeconds(fetchSeconds)} for a database of ${humanBytes(databaseBytes)}`;
  const seen = new Map<string, Fetched>();
  let said = { at: Date.now(), bytes: 0 };
  while (!ended.aborted) {
    const pod = await restoringPod(kubernetes, namespace);
    const bytes = pod === undefined ? undefined : await receivedBy(kubernetes, pod);
    if (pod !== undefined && bytes !== undefined) {
      const now = Date.now();
      const fetched = looked(seen.get(pod), bytes, now);
      seen.set(pod, fetched);
      const rate = rateOf(fetched, now);
      if (rate !== undefined && bytes !== said.bytes && now - said.at >= quiet) {
        said = { at: now, bytes };
        say(`${drillNames.copy}: ${humanBytes(bytes)} fetched, ${humanBytes(rate)}/s${before}`);
      }
    }
    await sleep(pause);
  }
}

async function restoringPod({ core }: Kubernetes, namespace: string): Promise<string | undefined> {
  const labelSelector = recoveryPods(drillNames.copy);
  try {
    const { items } = await core.listNamespacedPod({ namespace, labelSelector });
    return items.find(({ status }) => status?.phase === "Running")?.metadata?.name;
  } catch {
    // The drill goes on without this.
    return undefined;
  }
}
