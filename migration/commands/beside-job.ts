import { MigrationFailure, nothingChanged } from "../engine/failure";
import { found, type Kubernetes, patiently } from "../engine/kubernetes";
import { objectNames } from "../engine/manifests";
import type { Settings } from "../engine/settings";

/** A command that takes something away for good does not run beside the migration's Job, whatever that does. @throws MigrationFailure */
export async function refuseBesideJob({ batch }: Kubernetes, settings: Settings): Promise<void> {
  const { namespace } = settings;
  const name = objectNames(settings).job;
  if ((await found(patiently(() => batch.readNamespacedJob({ name, namespace })))) === undefined) return;
  throw new MigrationFailure(
    `Job ${name} is there`,
    nothingChanged,
    "Wait for its end, then run this again. One that has ended already is taken away by the next `pulumi up`.",
  );
}
