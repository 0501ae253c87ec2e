import { PassThrough } from "node:stream";
import { Exec, type V1Status } from "@kubernetes/client-node";
import type { Cluster } from "../../local/legacy/cluster";

/** A PostgreSQL server in a pod, asked by its own socket as a superuser. */
export interface Server {
  readonly api: Cluster;
  readonly namespace: string;
  readonly pod: string;
  readonly user: string;
}

/** SQL's answer, unaligned, without the last line break. By the API itself: to start a program takes longer than most phases. @throws Error with what psql said */
export async function query({ api, namespace, pod, user }: Server, sql: string, database: string): Promise<string> {
  const out = collector();
  const err = collector();
  const input = new PassThrough();
  const psql = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-U", user, "-d", database];
  // Not ended: that would close the answer's stream too.
  input.write(`${sql}\n;\n\\q\n`);
  const status = await new Promise<V1Status | undefined>((resolve, reject) => {
    let ended: V1Status | undefined;
    new Exec(api.config)
      .exec(namespace, pod, "postgres", psql, out.stream, err.stream, input, false, (result) => (ended = result))
      .then((socket: { onclose: (() => void) | null }) => {
        socket.onclose = () => {
          resolve(ended);
        };
      }, reject);
  });
  if (status?.status === "Success") return out.text().replace(/\n$/, "");
  throw new Error(`psql in pod ${pod}: ${err.text().trim() || (status?.message ?? "the answer broke off")}`);
}

function collector(): { stream: PassThrough; text: () => string } {
  const chunks: Buffer[] = [];
  const stream = new PassThrough();
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  return { stream, text: () => Buffer.concat(chunks).toString() };
}
