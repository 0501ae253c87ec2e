/** How much of a base backup has come to the pod that restores it: what barman-cloud says nothing of. */
import type { Kubernetes } from "../migration/engine/kubernetes";

/** The operator's container that has the base backup fetched, by its sidecar, and replays. */
export const restoringContainer = "full-recovery";

/** The pods of the operator's Job that recovers this Cluster: each one is an attempt that begins with an empty directory. */
export function recoveryPods(cluster: string): string {
  return `cnpg.io/cluster=${cluster},cnpg.io/jobRole=full-recovery`;
}

/** What was seen of it. */
export interface Fetched {
  readonly bytes: number;
  /** When files were first seen to come, in milliseconds, and how many bytes were there by then. */
  readonly flowing?: { readonly since: number; readonly bytes: number };
}

/** Bytes that it takes to find out what to fetch, for a second or two in which barman's Python starts. */
const preliminaries = 1e6;

/** A further look, at `now` in milliseconds. */
export function looked(before: Fetched | undefined, bytes: number, now: number): Fetched {
  const flowing = before?.flowing ?? (bytes < preliminaries ? undefined : { since: now, bytes });
  return { bytes, ...(flowing && { flowing }) };
}

/** Bytes a second; undefined until there is something to go by. */
export function rateOf({ bytes, flowing }: Fetched, now: number): number | undefined {
  if (flowing === undefined || now <= flowing.since || bytes <= flowing.bytes) return undefined;
  return ((bytes - flowing.bytes) * 1000) / (now - flowing.since);
}

/** Bytes that came to a pod over its network, by its /proc/net/dev (proc_pid_net(5)): all that is fetched, before anything is unpacked. */
export function receivedBytes(table: string): number {
  return [...table.matchAll(/^\s*(\S+):\s*(\d+)/gm)]
    .filter(([, name]) => name !== "lo")
    .reduce((sum, [, , bytes]) => sum + Number(bytes), 0);
}

/** {@link receivedBytes} of a pod that restores; undefined where it has just ended, or the kubeconfig may not look into pods. */
export async function receivedBy(kubernetes: Kubernetes, pod: string): Promise<number | undefined> {
  try {
    return receivedBytes(await kubernetes.printed({ pod, container: restoringContainer }, ["cat", "/proc/net/dev"]));
  } catch {
    return undefined;
  }
}
