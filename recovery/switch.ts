import { names, postgresPort, readWriteService, serviceHost } from "../components/names";
import { found, patiently } from "../migration/engine/kubernetes";
import { connectionUrl } from "../postgresql/connection-url";
import type { Objects } from "./objects";

/** What applications are told, in the Secret that they connect by. */
export interface Connection {
  readonly data: Readonly<Record<string, string>>;
  /** The Cluster that DATABASE_URL_DIRECT leads to; undefined where it leads elsewhere, as to the legacy database. */
  readonly cluster: string | undefined;
}

/** The Secret as it is; undefined where there is none. */
export async function connection({ kubernetes, namespace }: Objects): Promise<Connection | undefined> {
  const name = names.connectionSecret;
  const secret = await found(patiently(() => kubernetes.core.readNamespacedSecret({ name, namespace })));
  if (secret === undefined) return undefined;
  const data = Object.fromEntries(
    Object.entries(secret.data ?? {}).map(([key, value]) => [key, Buffer.from(value, "base64").toString("utf8")]),
  );
  const host = URL.canParse(data.DATABASE_URL_DIRECT ?? "") ? new URL(data.DATABASE_URL_DIRECT ?? "").hostname : "";
  return { data, cluster: /^([^.]+)-rw(\.|$)/.exec(host)?.[1] };
}

/** The entries of the Secret that differ when its direct URL leads to another Cluster. The pooler keeps its name, so DATABASE_URL stays. */
export function turned(data: Connection["data"], cluster: string, namespace: string): Record<string, string> {
  const { username = "", password = "", database = "" } = data;
  const host = serviceHost(readWriteService(cluster), namespace);
  return { DATABASE_URL_DIRECT: connectionUrl({ username, password, host, port: postgresPort, database }) };
}

/** Writes entries into the Secret. */
export async function turn(
  { kubernetes, namespace }: Objects,
  entries: Readonly<Record<string, string>>,
): Promise<void> {
  const body = Object.entries(entries).map(([key, value]) => ({
    op: "add",
    path: `/data/${key}`,
    value: Buffer.from(value, "utf8").toString("base64"),
  }));
  await patiently(() =>
    kubernetes.core.patchNamespacedSecret({
      name: names.connectionSecret,
      namespace,
      body,
      fieldManager: "naytife-recovery",
    }),
  );
}
