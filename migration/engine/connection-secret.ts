import { names } from "../../components/names";
import { found, type Kubernetes, patiently } from "./kubernetes";
import type { Settings } from "./settings";
import { sourceConnection } from "./source";

/**
 * Who the rollback is to the API server. An `up` that would write other values into the Secret, because the stack still takes the new database for
 * the one in use, is refused by it as a conflict with this manager; one that writes the same is not.
 */
const fieldManager = "naytife-migration-rollback";
const name = names.connectionSecret;

/** The Secret that applications connect by names the old database from now on. @returns false where there is no such Secret */
export async function pointToSource({ core }: Kubernetes, settings: Settings): Promise<boolean> {
  const { namespace, source } = settings;
  const held = await patiently(() => core.readNamespacedSecret({ name: source.secretName, namespace }));
  const password = Buffer.from(held.data?.[source.secretKey] ?? "", "base64").toString("utf8");
  const body = Object.entries(sourceConnection(settings, password)).map(([key, value]) => ({
    op: "add",
    path: `/data/${key}`,
    value: Buffer.from(value, "utf8").toString("base64"),
  }));
  const patched = await found(patiently(() => core.patchNamespacedSecret({ name, namespace, body, fieldManager })));
  return patched !== undefined;
}

/** Whether the program, or whoever else applies the Secret, says the same as the rollback did; also where the Secret is gone, or was made anew. */
export async function programAgrees({ core }: Kubernetes, { namespace }: Settings): Promise<boolean> {
  const secret = await found(patiently(() => core.readNamespacedSecret({ name, namespace })));
  if (secret === undefined) return true;
  return (secret.metadata?.managedFields ?? []).some(({ manager, fieldsV1 }) => {
    const fields = fieldsV1 as { readonly "f:data"?: Readonly<Record<string, unknown>> } | undefined;
    return manager !== fieldManager && fields?.["f:data"]?.["f:DATABASE_URL"] !== undefined;
  });
}

/** The Secret is the program's alone again; what it says stays. */
export async function releaseSecret({ core }: Kubernetes, { namespace }: Settings): Promise<void> {
  const secret = await found(patiently(() => core.readNamespacedSecret({ name, namespace })));
  const managers = secret?.metadata?.managedFields ?? [];
  const value = managers.filter(({ manager }) => manager !== fieldManager);
  if (value.length === managers.length) return;
  const body = [
    { op: "test", path: "/metadata/resourceVersion", value: secret?.metadata?.resourceVersion },
    // An empty list would be taken for none given.
    { op: "replace", path: "/metadata/managedFields", value: value.length === 0 ? [{}] : value },
  ];
  await patiently(() => core.patchNamespacedSecret({ name, namespace, body }));
}
