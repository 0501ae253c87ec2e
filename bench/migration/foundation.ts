/** What stands on the cluster before anything is measured: the operator, the StorageClass and, where targets archive, plugin and store; made by the program's own components. */
import { join } from "node:path";
import { backupBucket } from "../../components/bucket";
import { BarmanPlugin } from "../../components/barman-plugin";
import type { BucketAddress } from "../../components/bucket-address";
import { kubernetesProvider } from "../../components/kubernetes-provider";
import { readManifest } from "../../components/manifest";
import { names } from "../../components/names";
import { Namespace } from "../../components/namespace";
import { Operator } from "../../components/operator";
import { Storage } from "../../components/storage";
import { backupPluginManifest, operatorManifest } from "../../config";
import { pluginDescription } from "../../descriptions";
import { openProgram } from "../../local/engine/stack";
import { localBackend } from "../../local/engine/workspace";
import type { EmbeddedCluster } from "../../local/kubernetes/cluster";
import { connect } from "../../local/legacy/cluster";
import { during } from "../../local/progress";
import { localStackConfig, pulumiDirectory } from "../../local/stack-config";
import { valuesOf } from "../../local/stack-values";

/** Namespace of the store. */
const storeNamespace = "bench-store";

/** A store, and the keys to it. */
export interface Store {
  readonly bucket: { readonly [Field in keyof BucketAddress]: string };
  /** Data of the Secret that every namespace needs which archives there. */
  readonly keys: Readonly<Record<string, string>>;
}

/** @returns the store, if targets are to archive */
export async function layFoundation(cluster: EmbeddedCluster, archives: boolean): Promise<Store | undefined> {
  const values = valuesOf("local", {
    ...(await localStackConfig(cluster)),
    namespace: storeNamespace,
    // Archives of all measurements: nothing is taken away in between.
    backupStoreSize: "60Gi",
  });
  const [operator, plugin] = await Promise.all(
    [operatorManifest(values), backupPluginManifest(values)].map((manifest) => readManifest(manifest)),
  );
  const stateDirectory = pulumiDirectory(cluster);
  const { stack } = await openProgram({
    stackName: "bench",
    projectName: "naytife-bench",
    workDirectory: join(stateDirectory, "workspace"),
    backend: localBackend(stateDirectory),
    // Pulumi takes a promise alone.
    // eslint-disable-next-line @typescript-eslint/require-await
    program: async () => {
      const provider = kubernetesProvider("kubernetes", {
        kubeconfig: values.kubeconfig,
        context: values.kubeContext,
      });
      const installed = new Operator(
        "operator",
        { source: { manifest: operator ?? [] }, retainOnDelete: false },
        { provider },
      );
      const { storageClass } = new Storage(
        "storage",
        { storageClass: values.storageClass, retainOnDelete: false },
        { provider },
      );
      if (!archives) return {};
      const { name: namespace } = new Namespace("store", { name: storeNamespace, protect: false }, { provider });
      new BarmanPlugin(
        "backup-plugin",
        { manifest: plugin ?? [], ...pluginDescription(values), retainOnDelete: false },
        { provider, dependsOn: [installed.namespace] },
      );
      const bucket = backupBucket(
        "bucket",
        { ...values, databasePassword: undefined },
        { namespace, storageClass },
        { provider },
      );
      return { ...bucket };
    },
  });
  const { outputs } = await during(`pulumi up: ${archives ? "operator, plugin and store" : "operator"}`, () =>
    stack.up({ color: "never" }),
  );
  if (!archives) return undefined;
  const text = (field: keyof BucketAddress) => String(outputs[field]?.value);
  const { data = {} } = await connect({ ...cluster, namespace: storeNamespace }).core.readNamespacedSecret({
    name: names.backupSecret,
    namespace: storeNamespace,
  });
  return {
    bucket: {
      destinationPath: text("destinationPath"),
      endpointUrl: text("endpointUrl"),
      region: text("region"),
      credentialsSecret: text("credentialsSecret"),
    },
    keys: data,
  };
}
