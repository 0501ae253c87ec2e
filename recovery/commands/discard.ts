import { setTimeout as sleep } from "node:timers/promises";
import { names } from "../../components/names";
import { nothingChanged, RecoveryFailure } from "../failure";
import { recoveredLabels } from "../manifest";
import { type Cluster, Objects } from "../objects";
import type { RecoverySettings } from "../settings";
import { connection } from "../switch";
import { commandLine, type Options } from "./options";

/**
 * Throws a recovered Cluster away that applications do not use: its instances and volumes. Its archive in the bucket, if it has one, stays.
 *
 * @returns exit code: 0, or 2 where it is not confirmed yet
 */
export async function discard(settings: RecoverySettings, name: string, options: Options): Promise<number> {
  const objects = new Objects(settings.stack);
  await objects.kubernetes.reach();
  const cluster = await objects.cluster(name);
  if (cluster === undefined) {
    process.stdout.write(`There is no Cluster ${name} in namespace ${objects.namespace}.\n`);
    return 0;
  }
  const reason = await inUse(objects, settings, cluster);
  if (reason !== undefined) {
    throw new RecoveryFailure(
      `Cluster ${name} is not thrown away: ${reason}`,
      nothingChanged,
      "Name a recovered Cluster that nobody uses.",
    );
  }
  if (!options.yes) {
    process.stderr.write(
      `What goes: Cluster ${name} in namespace ${objects.namespace}, its instances and volumes. Its archive in the bucket stays.\n` +
        `Nothing was changed. To do it: ${commandLine(options, `discard --as ${name} --yes`)}\n`,
    );
    return 2;
  }
  const { core } = objects.kubernetes;
  const labelSelector = `cnpg.io/cluster=${name}`;
  const { namespace } = objects;
  const claims = async () => (await core.listNamespacedPersistentVolumeClaim({ namespace, labelSelector })).items;
  const volumes = (await claims()).flatMap(({ spec }) => spec?.volumeName ?? []);
  await objects.delete("clusters", name);
  const deadline = Date.now() + settings.wait * 1000;
  for (;;) {
    if ((await objects.cluster(name)) === undefined && (await claims()).length === 0) break;
    if (Date.now() > deadline) {
      throw new RecoveryFailure(
        `Cluster ${name} was asked to go and is not gone within ${settings.wait} s`,
        "Everything else.",
        `kubectl -n ${namespace} get cluster,pod,pvc -l ${labelSelector}`,
      );
    }
    await sleep(1000);
  }
  process.stdout.write(
    [
      `Cluster ${name} and its volume claims are gone. What it archived under its name is left to you.`,
      ...(volumes.length === 0
        ? []
        : [
            "So are its volumes, where their StorageClass retains them: their disks go where they were made, and what Kubernetes knows of them by",
            `  kubectl delete persistentvolume --ignore-not-found ${volumes.join(" ")}`,
          ]),
      "",
    ].join("\n"),
  );
  return 0;
}

/** Why a Cluster may not be thrown away. */
async function inUse(
  objects: Objects,
  { values }: RecoverySettings,
  { metadata }: Cluster,
): Promise<string | undefined> {
  const { name, labels = {} } = metadata;
  if (name === values.clusterName) return "it is the stack's (clusterName)";
  const poolers = (await objects.poolers()).filter(({ spec }) => spec.cluster.name === name);
  if (poolers.length > 0) return `Pooler ${poolers.map((pooler) => pooler.metadata.name).join(", ")} leads to it`;
  if ((await connection(objects))?.cluster === name) return `Secret ${names.connectionSecret} leads to it`;
  const ours = Object.entries(recoveredLabels).every(([key, value]) => labels[key] === value);
  return ours ? undefined : "it was not made by `npm run recover`";
}
