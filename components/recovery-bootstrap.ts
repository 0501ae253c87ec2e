import type * as pulumi from "@pulumi/pulumi";
import { pluginName } from "./barman-plugin";

/** What a Cluster is recovered from, in the namespace's object store. */
export interface RecoverySource {
  /** Name of the ObjectStore. */
  readonly objectStore: pulumi.Input<string>;
  /** Folder of the archive that is read. Never the new Cluster's own. */
  readonly serverName: string;
  /** Where it ends; undefined: with all WAL that is there. */
  readonly target?: RecoveryTarget;
}

/** `recoveryTarget` of a Cluster; the fields that we set. */
export type RecoveryTarget =
  /** RFC 3339, with its zone. Commits of that very moment are in. */
  | { targetTime: string }
  /** A position in the WAL. The record that begins there is not in. */
  | { targetLSN: string; exclusive: true }
  /** As soon as the base backup that barman knows by this name is consistent. */
  | { backupID: string; targetImmediate: true };

/** The application's database and its owner, to whom the operator gives the Secret's password after the recovery. */
export interface RecoveredDatabase {
  readonly database: string;
  readonly owner: string;
  /** Name of a Secret of type kubernetes.io/basic-auth. */
  readonly secret: pulumi.Input<string>;
}

/** The fields of a Cluster's `spec` that make it begin with what an archive holds. */
export interface RecoveryBootstrap {
  bootstrap: {
    recovery: {
      source: string;
      database: string;
      owner: string;
      secret: { name: pulumi.Input<string> };
      recoveryTarget?: RecoveryTarget;
    };
  };
  externalClusters: {
    name: string;
    plugin: { name: string; parameters: { barmanObjectName: pulumi.Input<string>; serverName: string } };
  }[];
}

/**
 * A recovery by the plugin. Without database, owner and secret the operator would make a database and role `app`; without serverName the plugin would read
 * the new Cluster's own archive, which is empty.
 */
export function recoveryBootstrap(source: RecoverySource, database: RecoveredDatabase): RecoveryBootstrap {
  const origin = "origin";
  return {
    bootstrap: {
      recovery: {
        source: origin,
        database: database.database,
        owner: database.owner,
        secret: { name: database.secret },
        ...(source.target === undefined ? {} : { recoveryTarget: source.target }),
      },
    },
    externalClusters: [
      {
        name: origin,
        plugin: {
          name: pluginName,
          parameters: { barmanObjectName: source.objectStore, serverName: source.serverName },
        },
      },
    ],
  };
}
