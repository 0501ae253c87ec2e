import { serviceHost } from "../../components/names";
import { connectionUrl } from "../../postgresql/connection-url";
import type { Settings } from "./settings";

/** Where applications of any namespace reach the old database, and how. It may not know TLS. */
export function sourceAddress({ source, namespace }: Settings) {
  const { port, database, user: username } = source;
  const host = source.host.includes(".") ? source.host : serviceHost(source.host, namespace);
  return { host, port, database, username, sslmode: "prefer" } as const;
}

/** The entries of the Secret that applications connect to the old database by, in clear: the keys of {@link Connection}. */
export function sourceConnection(settings: Settings, password: string): Record<string, string> {
  const address = sourceAddress(settings);
  const { host, port, database, username } = address;
  const url = connectionUrl({ ...address, password });
  return { DATABASE_URL: url, DATABASE_URL_DIRECT: url, host, port: String(port), database, username, password };
}
