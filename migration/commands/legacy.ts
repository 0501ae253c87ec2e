import type { V1Deployment, V1Service } from "@kubernetes/client-node";
import { readAlias, serviceName, turned } from "../engine/alias";
import { found, type Kubernetes, patiently } from "../engine/kubernetes";
import type { Settings } from "../engine/settings";

/** What stands of the old database in the namespace. The program made none of it, and deletes none of it. */
export interface Legacy {
  readonly service: string | undefined;
  readonly deployments: readonly string[];
  /** Of the deployments' pods. Without one, the data goes with the pod. */
  readonly volumeClaims: readonly string[];
  readonly secret: string | undefined;
}

/** Looks for the old database behind the Service that the migration read it by. One that is an alias of the new one is in use, and none of it. */
export async function legacy(kubernetes: Kubernetes, settings: Settings): Promise<Legacy> {
  const { core, apps } = kubernetes;
  const { namespace, source } = settings;
  const name = (await readAlias(kubernetes, settings))?.source ?? serviceName(settings);
  const ours = (source.host.split(".")[1] ?? namespace) === namespace;
  const service = ours ? await found(patiently(() => core.readNamespacedService({ name, namespace }))) : undefined;
  const { items } = await patiently(() => apps.listNamespacedDeployment({ namespace }));
  const secret = await found(patiently(() => core.readNamespacedSecret({ name: source.secretName, namespace })));
  return { ...standing(service, items), secret: secret?.metadata?.name };
}

/** What of the namespace's deployments a Service sends its clients to. */
export function standing(
  service: V1Service | undefined,
  deployments: readonly V1Deployment[],
): Pick<Legacy, "service" | "deployments" | "volumeClaims"> {
  if (turned(service)) return { service: undefined, deployments: [], volumeClaims: [] };
  const selector = Object.entries(service?.spec?.selector ?? {});
  const behind = deployments.filter(({ spec }) => {
    const labels = spec?.template.metadata?.labels;
    return selector.length > 0 && selector.every(([key, value]) => labels?.[key] === value);
  });
  return {
    service: service?.metadata?.name,
    deployments: behind.flatMap(({ metadata }) => metadata?.name ?? []),
    volumeClaims: behind
      .flatMap(({ spec }) => spec?.template.spec?.volumes ?? [])
      .flatMap(({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName ?? []),
  };
}
