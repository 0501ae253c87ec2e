import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { quoteIdentifier } from "../postgresql/identifier";
import type { ArchivePlugin } from "./backups";
import { names, postgresPort, readWriteService, serviceHost, serviceNames } from "./names";
import { type RecoveryBootstrap, recoveryBootstrap, type RecoverySource } from "./recovery-bootstrap";
import { retryWhileWebhookIsAway } from "./webhook-retry";

/** The fields of `spec` of postgresql.cnpg.io/v1 Cluster that we set; api/v1/cluster_types.go has them all. */
export interface ClusterSpec {
  /** The API server's default is 1. */
  instances?: number;
  imageName: string;
  enableSuperuserAccess: boolean;
  enablePDB: boolean;
  /** Seconds. */
  switchoverDelay: number;
  /** Seconds. */
  stopDelay: number;
  /** Seconds. */
  smartShutdownTimeout: number;
  probes: {
    startup: { periodSeconds: number };
    readiness: { periodSeconds: number; timeoutSeconds: number; failureThreshold: number };
  };
  bootstrap: { initdb: InitDb } | RecoveryBootstrap["bootstrap"];
  externalClusters?: RecoveryBootstrap["externalClusters"];
  postgresql: {
    parameters: Record<string, string>;
    pg_hba: string[];
    synchronous?: Synchronous;
  };
  storage: { size: string; storageClass: pulumi.Input<string> };
  resources: {
    requests: { memory: string; cpu: string };
    limits: { memory: string; cpu: string };
  };
  affinity: {
    enablePodAntiAffinity: boolean;
    topologyKey?: string;
    podAntiAffinityType?: "required" | "preferred";
  };
  certificates: { serverAltDNSNames: string[] };
  plugins?: ArchivePlugin[];
  monitoring?: {
    customQueriesConfigMap?: { name: pulumi.Input<string>; key: string }[];
    tls?: { enabled: true };
  };
}

/** An empty database. */
export interface InitDb {
  database: string;
  owner: string;
  secret: { name: pulumi.Input<string> };
  encoding: "UTF8";
  localeProvider: LocaleProvider;
  builtinLocale?: string;
  icuLocale?: string;
  localeCollate?: string;
  localeCType?: string;
  dataChecksums: boolean;
  postInitApplicationSQL: string[];
}

/** How many replicas must confirm a commit. */
export interface Synchronous {
  method: "any";
  number: number;
  dataDurability: DataDurability;
  failoverQuorum: boolean;
}

/**
 * The part of `spec` that says how many instances there are, and how many of them a commit waits for. One goes with the other: the operator's
 * webhook refuses more synchronous replicas than there are replicas, and a lone primary that had to wait for one would never commit.
 */
export interface ClusterSize {
  instances: number;
  postgresql?: { synchronous: Synchronous };
}

/** What happens to writes when too few synchronous replicas are there: they stop, or go on asynchronously. */
export type DataDurability = "required" | "preferred";

/** What knows how text sorts. */
export type LocaleProvider = "builtin" | "icu" | "libc";

/** What a cluster is made of. */
export interface ClusterDescription {
  /** Kubernetes namespace, by name, for the certificate. */
  readonly namespaceName: string;
  /** One primary and the rest replicas. */
  readonly instances: number;
  /** Operand image with tag; the tag begins with the major version. */
  readonly image: string;
  /** StorageClass of the volumes. */
  readonly storageClass: pulumi.Input<string>;
  /** Size of one instance's volume, a Kubernetes quantity. */
  readonly storageSize: string;
  /** Memory of one instance, request and limit alike, a Kubernetes quantity. */
  readonly memory: string;
  /** CPU of one instance, Kubernetes quantities. */
  readonly cpuRequest: string;
  readonly cpuLimit: string;
  /** Replicas that must confirm a commit; 0: none. */
  readonly synchronousReplicas: number;
  readonly dataDurability: DataDurability;
  readonly podAntiAffinity: "required" | "preferred" | "none";
  /** Seconds. */
  readonly switchoverDelay: number;
  /** Seconds. */
  readonly stopDelay: number;
  /** Seconds. */
  readonly smartShutdownTimeout: number;
  /** How often an instance that starts is asked whether it has, in seconds. */
  readonly startupProbePeriod: number;
  /** How often an instance is asked whether it is ready, in seconds. */
  readonly readinessProbePeriod: number;
  /** Seconds without such an answer after which it counts as not ready, and for a primary another one is promoted. */
  readonly unreadyAfter: number;
  readonly databaseName: string;
  readonly databaseUser: string;
  /** Secret of type kubernetes.io/basic-auth, whose username is databaseUser. */
  readonly credentialsSecret: pulumi.Input<string>;
  readonly schemas: readonly string[];
  readonly searchPath: readonly string[];
  readonly localeProvider: LocaleProvider;
  readonly locale: string;
  /** PostgreSQL's parameters. */
  readonly parameters: Record<string, string>;
  /** Where WAL and base backups go; undefined: nowhere. */
  readonly archive: ArchivePlugin | undefined;
  /** What a new Cluster begins with. undefined: an empty database. One that exists is left as it is. */
  readonly recovery: RecoverySource | undefined;
  /** What the instances' exporters ask beyond the operator's own queries: ConfigMaps of the namespace. */
  readonly customQueries?: readonly { readonly name: pulumi.Input<string>; readonly key: string }[];
  /** The exporters serve their metrics over TLS. Changing it restarts every instance. */
  readonly metricsTls?: boolean;
}

/** The full size of the Cluster. */
export function clusterSize({
  instances,
  synchronousReplicas,
  dataDurability,
}: Pick<ClusterDescription, "instances" | "synchronousReplicas" | "dataDurability">): ClusterSize {
  if (synchronousReplicas === 0) return { instances };
  // Promote only a replica that is known to hold every confirmed commit.
  const synchronous: Synchronous = { method: "any", number: synchronousReplicas, dataDurability, failoverQuorum: true };
  return { instances, postgresql: { synchronous } };
}

/** `spec` of the Cluster, without its size if that is left to {@link Growth}. */
export function clusterSpec(cluster: ClusterDescription & { readonly growsLater: boolean }): ClusterSpec {
  const { postgresql: replication, ...instances }: Partial<ClusterSize> = cluster.growsLater
    ? {}
    : clusterSize(cluster);
  return {
    ...instances,
    imageName: cluster.image,
    enableSuperuserAccess: false,
    // With one instance a disruption budget would block every node drain for ever.
    enablePDB: cluster.instances > 1,
    switchoverDelay: cluster.switchoverDelay,
    stopDelay: cluster.stopDelay,
    smartShutdownTimeout: cluster.smartShutdownTimeout,
    // Asked each ten seconds, as the operator has it, an instance that is there is not used for up to twenty. How long it may take to start stays startDelay's to say.
    probes: {
      startup: { periodSeconds: cluster.startupProbePeriod },
      readiness: {
        periodSeconds: cluster.readinessProbePeriod,
        // The operator's five at most: a question that hangs for longer than the period would put the end off.
        timeoutSeconds: Math.min(5, cluster.readinessProbePeriod),
        failureThreshold: Math.ceil(cluster.unreadyAfter / cluster.readinessProbePeriod),
      },
    },
    ...(cluster.recovery === undefined
      ? { bootstrap: { initdb: emptyDatabase(cluster) } }
      : recoveryBootstrap(cluster.recovery, {
          database: cluster.databaseName,
          owner: cluster.databaseUser,
          secret: cluster.credentialsSecret,
        })),
    postgresql: {
      parameters: cluster.parameters,
      // The operator's own rules come before: local sockets, and certificates over TLS for replicas and pooler. Its last
      // rule would take passwords without TLS.
      pg_hba: ["hostnossl all all all reject"],
      ...replication,
    },
    storage: { size: cluster.storageSize, storageClass: cluster.storageClass },
    resources: {
      requests: { memory: cluster.memory, cpu: cluster.cpuRequest },
      limits: { memory: cluster.memory, cpu: cluster.cpuLimit },
    },
    affinity:
      cluster.podAntiAffinity === "none"
        ? { enablePodAntiAffinity: false }
        : {
            enablePodAntiAffinity: true,
            topologyKey: "kubernetes.io/hostname",
            podAntiAffinityType: cluster.podAntiAffinity,
          },
    // PgBouncer shows clients the cluster's certificate, which must hold its name too for sslmode=verify-full.
    certificates: { serverAltDNSNames: serviceNames(names.pooler, cluster.namespaceName) },
    ...(cluster.archive === undefined ? {} : { plugins: [cluster.archive] }),
    ...monitoringFields(cluster),
  };
}

function emptyDatabase(cluster: ClusterDescription): InitDb {
  return {
    database: cluster.databaseName,
    owner: cluster.databaseUser,
    secret: { name: cluster.credentialsSecret },
    encoding: "UTF8",
    ...localeFields(cluster.localeProvider, cluster.locale),
    dataChecksums: true,
    postInitApplicationSQL: bootstrapStatements(cluster),
  };
}

/** The operator's own queries. Where they are not in the list its webhook puts them first, and each update would take them out again. */
const operatorQueries = { name: "cnpg-default-monitoring", key: "queries" };

function monitoringFields({
  customQueries = [],
  metricsTls = false,
}: Pick<ClusterDescription, "customQueries" | "metricsTls">): Pick<ClusterSpec, "monitoring"> {
  const monitoring: NonNullable<ClusterSpec["monitoring"]> = {
    ...(customQueries.length === 0 ? {} : { customQueriesConfigMap: [operatorQueries, ...customQueries] }),
    ...(metricsTls ? { tls: { enabled: true } } : {}),
  };
  return Object.keys(monitoring).length === 0 ? {} : { monitoring };
}

/**
 * SQL that the operator runs once, as superuser, in the new application database. The owner owns the schemas: a GRANT, as the
 * plan had it, would not let its migrations alter or drop them.
 */
export function bootstrapStatements({
  databaseName,
  databaseUser,
  schemas,
  searchPath,
}: Pick<ClusterDescription, "databaseName" | "databaseUser" | "schemas" | "searchPath">): string[] {
  const owner = quoteIdentifier(databaseUser);
  return [
    ...schemas.map((schema) => `CREATE SCHEMA IF NOT EXISTS ${quoteIdentifier(schema)} AUTHORIZATION ${owner};`),
    `ALTER ROLE ${owner} IN DATABASE ${quoteIdentifier(databaseName)} ` +
      `SET search_path = ${searchPath.map(quoteIdentifier).join(", ")};`,
  ];
}

function localeFields(
  provider: LocaleProvider,
  locale: string,
): Pick<InitDb, "localeProvider" | "builtinLocale" | "icuLocale" | "localeCollate" | "localeCType"> {
  switch (provider) {
    case "builtin":
      // The libc ctype, C by the operator's default, is what text search parses words by.
      return { localeProvider: provider, builtinLocale: locale, localeCType: locale };
    case "icu":
      return { localeProvider: provider, icuLocale: locale };
    case "libc":
      return { localeProvider: provider, localeCollate: locale, localeCType: locale };
  }
}

/**
 * Fields of a Cluster that somebody else sets. Were they only left out, an update would take them from a cluster that an earlier
 * program made with them, and it would shrink to one instance. Synchronous replication that is switched off must go, however.
 */
function sizeFields({ synchronousReplicas }: ClusterDescription): string[] {
  return ["spec.instances", ...(synchronousReplicas === 0 ? [] : ["spec.postgresql.synchronous"])];
}

/** Arguments of {@link Cluster}. */
export interface ClusterArgs extends ClusterDescription {
  /** Name of the Cluster. */
  readonly name: string;
  readonly namespace: pulumi.Input<string>;
  /**
   * Another one whenever the sidecars of the archive have to be made anew. The operator compares them with the running ones each time that it looks at the
   * Cluster, and an ObjectStore's change does not make it look (internal/controller/cluster_controller.go, SetupWithManager): it would restart the
   * instances at some later hour, that of a base backup perhaps.
   */
  readonly sidecarRevision?: pulumi.Input<string> | undefined;
  /** A new cluster begins with one instance, for {@link Growth} to make it the full size. One that exists keeps the size that it has. */
  readonly growsLater: boolean;
  /** Refuse to delete the cluster. */
  readonly protect: boolean;
  /** Leave the cluster, and so its data, when the stack is destroyed: deleting a Cluster deletes its volume claims. */
  readonly retainOnDelete: boolean;
}

/** The PostgreSQL cluster: a primary, its replicas, and the Services that find them. */
export class Cluster extends pulumi.ComponentResource {
  /** Name of the Cluster, known once its instances are ready: all of them, or with growsLater the first. */
  readonly name: pulumi.Output<string>;
  /** The API server's identifier: another one when the Cluster was lost and made anew. */
  readonly uid: pulumi.Output<string>;
  /** Host name of the current primary. */
  readonly host: pulumi.Output<string>;
  readonly port = postgresPort;
  /** What it is like. */
  readonly spec: ClusterSpec;

  constructor(name: string, args: ClusterArgs, options?: pulumi.ComponentResourceOptions) {
    super("naytife:postgres:Cluster", name, {}, options);
    this.spec = clusterSpec(args);
    const cluster = new kubernetes.apiextensions.CustomResource(
      args.name,
      {
        apiVersion: "postgresql.cnpg.io/v1",
        kind: "Cluster",
        metadata: {
          name: args.name,
          namespace: args.namespace,
          annotations: {
            // Ready can be stale just after an update; the number of instances cannot.
            "pulumi.com/waitFor": JSON.stringify([
              "condition=Ready",
              ...(args.growsLater ? [] : [`jsonpath={.status.readyInstances}=${args.instances}`]),
            ]),
            ...(args.sidecarRevision === undefined ? {} : { "naytife.com/backup-sidecar": args.sidecarRevision }),
          },
        },
        spec: this.spec,
      },
      {
        parent: this,
        protect: args.protect,
        retainOnDelete: args.retainOnDelete,
        ignoreChanges: args.growsLater ? sizeFields(args) : [],
        hooks: { onError: [retryWhileWebhookIsAway(`${name}-webhook`)] },
        // Images are pulled on every node, each replica copies the primary, and an update restarts them one by one.
        customTimeouts: { create: "30m", update: "60m", delete: "15m" },
      },
    );
    this.name = cluster.metadata.name;
    this.uid = cluster.metadata.uid;
    this.host = cluster.metadata.apply(() => serviceHost(readWriteService(args.name), args.namespaceName));
    this.registerOutputs({ name: this.name, host: this.host, port: this.port });
  }
}
