/** A writer beside the database, in the cluster, with a log of its own of what the server acknowledged. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, createIfAbsent, type Target } from "./cluster";
import { deleteJob, jobLog, jobState } from "./legacy";
import { writerJob, type WriterSettings } from "./manifests";

export interface Writer {
  target: Target;
  name: string;
}

/** One order that the server acknowledged. */
export interface Acknowledged {
  /** The id in naytife_schema.orders, and the payment's order_id. */
  id: number;
  /** When the COMMIT came back, by the writer's clock. */
  at: Date;
}

export interface WriterLog {
  acknowledged: Acknowledged[];
  /** Writes that were not acknowledged: their rows may be there or not. */
  errors: { at: Date; message: string }[];
  /** Whether the writer came to its end and said so. */
  ended: boolean;
}

/**
 * Starts a writer and waits until it runs. It ends by itself after `durationSeconds`.
 *
 * @throws Error where a writer of that name is there already, or none runs after a minute
 */
export async function startWriter(target: Target, settings: WriterSettings): Promise<Writer> {
  if (!(settings.periodMilliseconds >= 10) || !(settings.durationSeconds > 0 && settings.durationSeconds <= 86_400))
    throw new Error("A writer's period must be at least 10ms and its duration at most 24h. Nothing was started.");
  if (!/^[a-z]([a-z0-9-]{0,50}[a-z0-9])?$/.test(settings.name))
    throw new Error(
      `"${settings.name}" is no name for a writer: up to 52 small letters, digits and dashes. Nothing was started.`,
    );
  const cluster = connect(target);
  const script = await readFile(join(__dirname, "writer.sh"), "utf8");
  if (!(await createIfAbsent(cluster, writerJob(target.namespace, script, settings))))
    throw new Error(
      `A writer "${settings.name}" is there already; read its log, then remove it with stopWriter(), or use another name.`,
    );
  for (let waited = 0; waited < 240; waited++) {
    if ((await jobLog(cluster, target.namespace, settings.name)).includes(" start "))
      return { target, name: settings.name };
    await sleep(250);
  }
  throw new Error(
    `The writer ${target.namespace}/${settings.name} does not run after a minute; look at its pod. Its Job was left.`,
  );
}

/** The writer's log as it stands now. */
export async function writerLog(writer: Writer): Promise<WriterLog> {
  return parseLog(await jobLog(connect(writer.target), writer.target.namespace, writer.name));
}

/** The orders acknowledged so far. */
export async function acknowledged(writer: Writer): Promise<Acknowledged[]> {
  return (await writerLog(writer)).acknowledged;
}

/** Waits until the writer came to its end. @throws Error where it was ended from outside, with its last lines */
export async function writerEnd(writer: Writer): Promise<WriterLog> {
  const cluster = connect(writer.target);
  for (;;) {
    const state = await jobState(cluster, writer.target.namespace, writer.name);
    const text = await jobLog(cluster, writer.target.namespace, writer.name);
    const log = parseLog(text);
    if (log.ended) return log;
    if (state !== "active") throw new Error(`The writer ${writer.name} did not come to its end:\n${text.slice(-500)}`);
    await sleep(500);
  }
}

/** Ends the writer now, if it still runs, and removes it. @returns its whole log */
export async function stopWriter(writer: Writer): Promise<WriterLog> {
  const cluster = connect(writer.target);
  const { namespace } = writer.target;
  const pods = await cluster.core.listNamespacedPod({ namespace, labelSelector: `job-name=${writer.name}` });
  const pod = pods.items[0]?.metadata?.name;
  let log = await writerLog(writer);
  if (pod && !log.ended) {
    // The pod's log goes with the pod: follow it to its last line while the pod is being ended.
    const last = cluster.core.readNamespacedPodLog({ name: pod, namespace, follow: true });
    await deleteJob(cluster, namespace, writer.name);
    log = parseLog(await last);
  } else await deleteJob(cluster, namespace, writer.name);
  return log;
}

export function parseLog(text: string): WriterLog {
  const log: WriterLog = { acknowledged: [], errors: [], ended: false };
  for (const line of text.split("\n")) {
    const match = /^(\S+Z) (ack|error|end) (.*)$/.exec(line);
    if (!match) continue;
    const [at, kind, rest] = [new Date(match[1] ?? ""), match[2], match[3] ?? ""];
    if (kind === "end") log.ended = true;
    else if (kind === "ack" && /^\d+$/.test(rest)) log.acknowledged.push({ id: Number(rest), at });
    else log.errors.push({ at, message: rest });
  }
  return log;
}

/**
 * The acknowledged orders that are not there, or whose payment is not there.
 *
 * @param query asks the database that should hold them: one statement, rows of columns as text
 */
export async function missing(
  orders: readonly Acknowledged[],
  query: (sql: string) => Promise<string[][]>,
): Promise<Acknowledged[]> {
  const lost: Acknowledged[] = [];
  for (let from = 0; from < orders.length; from += 2000) {
    const some = orders.slice(from, from + 2000);
    const found = await query(
      `SELECT o.id FROM naytife_schema.orders o JOIN naytife_schema.payments p ON p.order_id = o.id AND p.order_placed_at = o.placed_at
       WHERE o.id IN (${some.map(({ id }) => id).join(", ")})`,
    );
    const there = new Set(found.map(([id]) => Number(id)));
    lost.push(...some.filter(({ id }) => !there.has(id)));
  }
  return lost;
}
