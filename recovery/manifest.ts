import { clusterDescription } from "../descriptions";
import { pluginName } from "../components/barman-plugin";
import { clusterSpec } from "../components/cluster";
import {
  type RecoveredDatabase,
  recoveryBootstrap,
  type RecoverySource,
  type RecoveryTarget,
} from "../components/recovery-bootstrap";
import type { Values } from "../config";
import type { BaseBackup } from "./archive";
import type { Target } from "./plan";

/** A plugin as a Cluster's `spec` lists it. */
interface Plugin {
  readonly name: string;
  readonly enabled?: boolean;
  readonly isWALArchiver?: boolean;
  readonly parameters?: Readonly<Record<string, string>>;
}

interface Bootstrap {
  readonly database?: string;
  readonly owner?: string;
  readonly secret?: { readonly name: string };
}

/** `spec` of a Cluster as the API server has it: the fields that a recovery changes, and all the others. */
export interface LiveSpec {
  readonly [field: string]: unknown;
  readonly bootstrap?: { readonly initdb?: Bootstrap; readonly recovery?: Bootstrap };
  readonly plugins?: readonly Plugin[];
  readonly storage?: { readonly size?: string; readonly storageClass?: string };
  readonly instances?: number;
}

/** {@link RecoveredDatabase} by plain names. */
export interface ApplicationDatabase extends RecoveredDatabase {
  readonly secret: string;
}

/** Marks what `npm run recover` made, and may throw away. */
export const recoveredLabels = {
  "app.kubernetes.io/managed-by": "naytife-postgres",
  "naytife.com/recovered": "true",
} as const;

/** Annotations that say what a recovered Cluster is. */
export const annotations = {
  /** Folder of the archive that it was made from. */
  from: "naytife.com/recovered-from",
  /** Up to when, or to which base backup. */
  target: "naytife.com/recovery-target",
  /** When the command began, ISO 8601. */
  begun: "naytife.com/recovery-begun",
} as const;

/** A Cluster that is to be recovered beside another one. */
export interface Recovery {
  readonly name: string;
  readonly namespace: string;
  /** Of the Cluster that it follows. */
  readonly spec: LiveSpec;
  readonly source: RecoverySource;
  readonly database: RecoveredDatabase;
  readonly annotations: Readonly<Record<string, string>>;
}

/** Fields that say what a Cluster begins with, whom it follows, and where it archived in the operator's former way. */
const begins: readonly string[] = ["bootstrap", "externalClusters", "replica", "backup"];

/**
 * The recovering Cluster: all of the former one but for what it begins with, and with an archive of its own, since two servers that write into one would
 * destroy it.
 */
export function recoveringCluster({ name, namespace, spec, source, database, annotations: said }: Recovery) {
  const plugins = spec.plugins ?? [];
  const kept = Object.fromEntries(Object.entries(spec).filter(([field]) => !begins.includes(field)));
  return {
    apiVersion: "postgresql.cnpg.io/v1",
    kind: "Cluster",
    metadata: { name, namespace, labels: { ...recoveredLabels }, annotations: { ...said } },
    spec: {
      ...kept,
      ...recoveryBootstrap(source, database),
      plugins: [
        ...plugins.filter((plugin) => plugin.name !== pluginName),
        {
          name: pluginName,
          enabled: true,
          isWALArchiver: true,
          parameters: { barmanObjectName: source.objectStore, serverName: name },
        },
      ],
    },
  };
}

/** The database of a Cluster, its owner and the owner's Secret, as it was begun with them; what it does not say is the stack's. */
export function databaseOf({ bootstrap = {} }: LiveSpec, stack: ApplicationDatabase): ApplicationDatabase {
  const begun = bootstrap.initdb ?? bootstrap.recovery ?? {};
  return {
    database: begun.database ?? stack.database,
    owner: begun.owner ?? stack.owner,
    secret: begun.secret?.name ?? stack.secret,
  };
}

/** `spec` of the stack's Cluster as the program would make it, for one that is lost. */
export function specOfStack(values: Values, secret: string): LiveSpec {
  const spec = clusterSpec({
    ...clusterDescription(values),
    storageClass: values.storageClass,
    credentialsSecret: secret,
    growsLater: false,
    archive: undefined,
    recovery: undefined,
  });
  // Nothing in it is an Output: every input of it is plain.
  return JSON.parse(JSON.stringify(spec)) as LiveSpec;
}

/** A target as the operator takes it; undefined: all WAL that is there. */
export function recoveryTarget(target: Target, backup: BaseBackup): RecoveryTarget | undefined {
  switch (target.kind) {
    case "latest":
      return undefined;
    case "time":
      return { targetTime: target.instant.text };
    case "backup":
      return { backupID: backup.id, targetImmediate: true };
  }
}
