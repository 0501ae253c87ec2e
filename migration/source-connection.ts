import * as kubernetes from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import type { ConnectionArgs } from "../components/connection";
import type { Settings } from "./engine/settings";
import { sourceAddress } from "./engine/source";

/**
 * The old database as {@link Connection} takes it: after a rollback applications are told of it again. Its password is read from the cluster, so that
 * a preview needs one in this case.
 */
export function sourceConnection(
  settings: Settings,
  options: pulumi.CustomResourceOptions,
): Omit<ConnectionArgs, "namespace" | "protect"> {
  const { namespace, source } = settings;
  const secret = kubernetes.core.v1.Secret.get(source.secretName, `${namespace}/${source.secretName}`, options);
  const { host, port, database, username, sslmode } = sourceAddress(settings);
  const password = secret.data.apply((data) => Buffer.from(data[source.secretKey] ?? "", "base64").toString("utf8"));
  const endpoint = { host, port };
  return { pooled: endpoint, direct: endpoint, database, username, password, sslmode };
}
