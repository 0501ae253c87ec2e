import { ApiException } from "@kubernetes/client-node";
import { found, Kubernetes, patiently } from "../migration/engine/kubernetes";
import type { Settings } from "../migration/engine/settings";
import type { ObjectStore } from "./bucket";
import type { LiveSpec } from "./manifest";

interface Metadata {
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly deletionTimestamp?: string;
}

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
}

/** The parts of a Cluster that a recovery reads. */
export interface Cluster {
  readonly metadata: Metadata;
  readonly spec: LiveSpec;
  readonly status?: {
    readonly currentPrimary?: string;
    readonly phase?: string;
    readonly phaseReason?: string;
    readonly readyInstances?: number;
    readonly conditions?: readonly Condition[];
  };
}

/** The parts of a Backup that a recovery reads. */
export interface Backup {
  readonly metadata: Metadata;
  readonly spec: { readonly cluster: { readonly name: string } };
  readonly status?: { readonly phase?: string; readonly backupId?: string; readonly error?: string };
}

/** The parts of a Pooler that a recovery reads. */
export interface Pooler {
  readonly metadata: Metadata;
  readonly spec: { readonly [field: string]: unknown; readonly cluster: { readonly name: string } };
  readonly status?: { readonly instances?: number };
}

const kinds = {
  clusters: ["postgresql.cnpg.io", "v1"],
  poolers: ["postgresql.cnpg.io", "v1"],
  backups: ["postgresql.cnpg.io", "v1"],
  objectstores: ["barmancloud.cnpg.io", "v1"],
} as const;
type Plural = keyof typeof kinds;

/** The custom resources of the stack's namespace. */
export class Objects {
  readonly kubernetes: Kubernetes;
  readonly namespace: string;

  constructor(private readonly settings: Settings) {
    this.kubernetes = new Kubernetes(settings);
    this.namespace = settings.namespace;
  }

  /** SQL goes to the primary of this Cluster. */
  in(cluster: string): Kubernetes {
    return new Kubernetes({ ...this.settings, target: { ...this.settings.target, cluster } });
  }

  async cluster(name: string): Promise<Cluster | undefined> {
    return (await this.read("clusters", name)) as Cluster | undefined;
  }

  async clusters(): Promise<readonly Cluster[]> {
    return (await this.list("clusters")) as Cluster[];
  }

  async pooler(name: string): Promise<Pooler | undefined> {
    return (await this.read("poolers", name)) as Pooler | undefined;
  }

  async poolers(): Promise<readonly Pooler[]> {
    return (await this.list("poolers")) as Pooler[];
  }

  async backup(name: string): Promise<Backup | undefined> {
    return (await this.read("backups", name)) as Backup | undefined;
  }

  async objectStore(name: string): Promise<ObjectStore | undefined> {
    return (await this.read("objectstores", name)) as ObjectStore | undefined;
  }

  async create(plural: Plural, body: object): Promise<void> {
    await patiently(() => this.kubernetes.custom.createNamespacedCustomObject({ ...this.path(plural), body }));
  }

  /** Adds annotations to an object that has some. */
  async annotate(plural: Plural, name: string, added: Readonly<Record<string, string>>): Promise<void> {
    const body = Object.entries(added).map(([key, value]) => ({
      op: "add",
      path: `/metadata/annotations/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`,
      value,
    }));
    await patiently(() => this.kubernetes.custom.patchNamespacedCustomObject({ ...this.path(plural), name, body }));
  }

  /**
   * Deletes it, and returns when it was asked to. What hangs on it goes with it: before it (foreground), or after it, where its operator would make anew what is
   * missing as long as it is there.
   */
  async delete(
    plural: Plural,
    name: string,
    propagationPolicy: "Foreground" | "Background" = "Foreground",
  ): Promise<void> {
    await found(
      patiently(() =>
        this.kubernetes.custom.deleteNamespacedCustomObject({ ...this.path(plural), name, propagationPolicy }),
      ),
    );
  }

  private async read(plural: Plural, name: string): Promise<unknown> {
    return found(patiently(() => this.kubernetes.custom.getNamespacedCustomObject({ ...this.path(plural), name })));
  }

  /** None where the kind is not known. */
  private async list(plural: Plural): Promise<unknown[]> {
    try {
      const answer: unknown = await patiently(() =>
        this.kubernetes.custom.listNamespacedCustomObject(this.path(plural)),
      );
      return (answer as { readonly items: unknown[] }).items;
    } catch (error) {
      if (error instanceof ApiException && error.code === 404) return [];
      throw error;
    }
  }

  private path(plural: Plural) {
    const [group, version] = kinds[plural];
    return { group, version, plural, namespace: this.namespace };
  }
}

/** Whether a Cluster has a primary that takes SQL. */
export function serves(cluster: Cluster | undefined): boolean {
  return cluster?.status?.currentPrimary !== undefined && (cluster.status.readyInstances ?? 0) > 0;
}
