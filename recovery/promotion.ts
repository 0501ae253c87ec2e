import { pluginName } from "../components/barman-plugin";
import type { Values } from "../config";
import { project } from "../local/stack-files";
import { annotations } from "./manifest";
import type { Cluster, Objects } from "./objects";

/** Since when a Cluster is the application's database by `npm run recover -- promote`, ISO 8601: an annotation. */
const since = "naytife.com/promoted";

/** The parts of the stack's configuration that name its Cluster, or say what becomes of another one. */
export type NamedCluster = Pick<
  Values,
  "clusterName" | "backupServerName" | "recoverFrom" | "recoverAt" | "protect" | "retainOnDelete"
>;

/** Of all Clusters the one that was promoted last; undefined where none was. */
export function promoted(clusters: readonly Cluster[]): { cluster: Cluster; since: string } | undefined {
  return clusters
    .flatMap((cluster) => {
      const time = cluster.metadata.annotations?.[since];
      return time === undefined ? [] : [{ cluster, since: time }];
    })
    .sort((one, other) => one.since.localeCompare(other.since))
    .at(-1);
}

/** From here on no `pulumi up` turns applications to another Cluster than this. */
export async function markPromoted(objects: Objects, name: string): Promise<void> {
  const clusters = await objects.clusters();
  if (promoted(clusters)?.cluster.metadata.name === name) return;
  await objects.annotate("clusters", name, { [since]: new Date().toISOString() });
}

/** The settings that differ where the stack's configuration names a Cluster, in the order in which to say them; empty: as by default. */
function namingSettings(values: NamedCluster, { metadata, spec }: Cluster): [string, string][] {
  const { name } = metadata;
  const archive = spec.plugins?.find((plugin) => plugin.name === pluginName)?.parameters?.serverName ?? name;
  const shall = {
    clusterName: name,
    backupServerName: archive === name ? "" : archive,
    recoverFrom: metadata.annotations?.[annotations.from] ?? "",
    recoverAt: "",
  };
  return Object.entries(shall).filter(([key, value]) => values[key as keyof typeof shall] !== value);
}

/** Commands after which the stack's configuration names a Cluster, and `pulumi up` takes it over. None where it does so already. */
export function takeOver(stack: string, values: NamedCluster, cluster: Cluster): string[] {
  const former = values.clusterName;
  if (cluster.metadata.name === former) return [];
  // Another logical name, since a Cluster cannot change its own.
  const urn = `urn:pulumi:${stack}::${project.name}::naytife:postgres:Cluster$kubernetes:postgresql.cnpg.io/v1:Cluster::${former}`;
  return [
    ...namingSettings(values, cluster).map(
      ([key, value]) => `pulumi config ${value === "" ? `rm ${key}` : `set ${key} ${value}`} --stack ${stack}`,
    ),
    ...(values.protect ? [`pulumi state unprotect '${urn}' --stack ${stack} --yes`] : []),
    `pulumi up --refresh --stack ${stack}`,
  ];
}

/** What `npm run local` has to be told besides: its settings hold for one run, so `pulumi config set` does not reach the next one. None for another stack. */
export function everyLocalRun(stack: string, values: NamedCluster, cluster: Cluster): string[] {
  if (stack !== "local" || cluster.metadata.name === values.clusterName) return [];
  const options = namingSettings(values, cluster).map(([key, value]) => `--config ${key}=${value}`);
  return [
    `Each \`npm run local\` from now on, with its other options as before: npm run local -- ${options.join(" ")}`,
  ];
}

/** What `pulumi up` does with the Cluster that the stack's configuration names until now. */
export function fateOfFormer({ clusterName, retainOnDelete }: NamedCluster): string {
  return retainOnDelete
    ? `Cluster ${clusterName} is left in Kubernetes, for you to delete`
    : `\`pulumi up\` DELETES Cluster ${clusterName} with its volumes: retainOnDelete is false`;
}
