import { setTimeout as sleep } from "node:timers/promises";
import { ApiException, type V1PersistentVolumeClaim } from "@kubernetes/client-node";
import { MigrationFailure, nothingChanged } from "./failure";
import { found, type Kubernetes } from "./kubernetes";
import { backup, dumpVolumeClaim, holdsLabel, type Mode, objectNames, refuseForeign } from "./manifests";
import { bytesOf, type Settings } from "./settings";

/** How often a volume that goes is looked at, in milliseconds. */
const pause = 1000;

/** The volume that the dump of the source lies on: room for a migration, and a backup from its end on. */
export class DumpVolume {
  private readonly name: string;

  constructor(
    private readonly kubernetes: Kubernetes,
    private readonly settings: Settings,
  ) {
    this.name = objectNames(settings).dump;
  }

  /** Makes it where it is missing, but for a plan. Returns whether the Job finds one. @throws MigrationFailure where one that is kept is in the way */
  async prepare(mode: Mode): Promise<boolean> {
    const { namespace } = this.settings;
    const existing = await this.claim();
    // One that no pod has used yet would be made by the first that does; one of another size makes room for a new one.
    if (mode === "plan") return existing?.status?.phase === "Bound" && sameVolume(existing, this.settings);
    if (mode === "migrate" && existing !== undefined && !sameVolume(existing, this.settings)) {
      const kept = this.refusal(existing);
      if (kept !== undefined) throw kept;
      // No migration was finished with it, so nothing in it is a backup; what it held is dumped again.
      await this.kubernetes.core.deleteNamespacedPersistentVolumeClaim({ name: this.name, namespace });
      while ((await this.claim()) !== undefined) {
        await sleep(pause);
      }
    }
    try {
      const body = dumpVolumeClaim(this.settings);
      await this.kubernetes.core.createNamespacedPersistentVolumeClaim({ namespace, body });
    } catch (error) {
      if (!(error instanceof ApiException && error.code === 409)) throw error;
    }
    return true;
  }

  /** Why the dump that is kept cannot make room for the next one; undefined where nothing stands against it. */
  async kept(): Promise<MigrationFailure | undefined> {
    return this.refusal(await this.claim());
  }

  /** From now on it is a backup, which no further migration takes for its own. */
  async keep(): Promise<void> {
    const { namespace } = this.settings;
    const body = [{ op: "add", path: `/metadata/labels/${holdsLabel.replace("/", "~1")}`, value: backup }];
    await found(this.kubernetes.core.patchNamespacedPersistentVolumeClaim({ name: this.name, namespace, body }));
  }

  private async claim(): Promise<V1PersistentVolumeClaim | undefined> {
    const { namespace } = this.settings;
    const claim = await found(this.kubernetes.core.readNamespacedPersistentVolumeClaim({ name: this.name, namespace }));
    if (claim !== undefined) refuseForeign(this.settings, claim.metadata?.labels, `PersistentVolumeClaim ${this.name}`);
    return claim;
  }

  private refusal(claim: V1PersistentVolumeClaim | undefined): MigrationFailure | undefined {
    if (claim?.metadata?.labels?.[holdsLabel] !== backup || sameVolume(claim, this.settings)) return undefined;
    return new MigrationFailure(
      `PersistentVolumeClaim ${this.name} keeps the dump of a finished migration, and its size or class is no longer what the settings say`,
      nothingChanged,
      `Set migrationDumpStorage and storageClass back to its (${claim.spec?.resources?.requests?.storage ?? "?"}, ${claim.spec?.storageClassName ?? "no class"}), or, if that dump may go, delete it: kubectl -n ${this.settings.namespace} delete pvc ${this.name}.`,
    );
  }
}

/** Whether the dump's volume is as the settings want it. */
function sameVolume({ spec }: V1PersistentVolumeClaim, { dump }: Settings): boolean {
  const size = spec?.resources?.requests?.storage;
  return (
    size !== undefined &&
    bytesOf(size) === bytesOf(dump.size) &&
    (dump.storageClass === "" || dump.storageClass === spec?.storageClassName)
  );
}
