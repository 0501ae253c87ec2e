import type { DataDurability } from "../components/cluster";

/** Where series come from that neither the operator nor we export. A rule that needs one is rendered only where it is there. */
export const exporters = ["kubelet", "kube-state-metrics", "x509-certificate-exporter"] as const;
export type Exporter = (typeof exporters)[number];

/** What is watched: names in Kubernetes, and how large it should be. */
export interface Watched {
  /** Namespace of the database. */
  readonly namespace: string;
  /** Namespace of the operator and the backup plugin. */
  readonly operatorNamespace: string;
  readonly cluster: string;
  readonly pooler: string;
  /** The migration's Job. */
  readonly migrationJob: string;
  /** Which `Pulumi.<stack>.yaml` describes it: what a command is told. */
  readonly stack: string;
  /** The restore drill's CronJob; undefined: there are no drills. */
  readonly drillCronJob: string | undefined;
  /** The CronJob that looks at the old database after the cut-over; undefined: nobody does. */
  readonly sourceWatch: string | undefined;
  /** Names of the PodMonitors, which become the series' `job`: `<namespace>/<PodMonitor>`. */
  readonly podMonitors: { readonly operator: string; readonly plugin: string };
  readonly instances: number;
  readonly synchronousReplicas: number;
  readonly dataDurability: DataDurability;
  /** Instances are kept on different nodes. */
  readonly spread: boolean;
  /** Bytes of one instance's volume. */
  readonly volumeBytes: number;
  readonly poolerInstances: number;
  /** max_client_conn of one pooler pod. */
  readonly poolerMaxClientConnections: number;
  /** Base backups and WAL go to an object store. */
  readonly backups: boolean;
  /** The exporters of instances and pooler speak TLS. */
  readonly tls: boolean;
  readonly exporters: readonly Exporter[];
}

/** When to speak. Each is a key of Pulumi.yaml, where it is described. */
export interface Thresholds {
  readonly replicationLagSeconds: number;
  readonly connectionsPercent: number;
  readonly connectionsCriticalPercent: number;
  readonly poolerWaitSeconds: number;
  readonly walBacklogSegments: number;
  readonly walArchiveAgeSeconds: number;
  readonly backupAgeHours: number;
  readonly drillAgeDays: number;
  readonly volumeFreePercent: number;
  readonly volumeFullDays: number;
  readonly slotWalPercent: number;
  readonly certificateDays: number;
  readonly transactionSeconds: number;
  readonly transactionIdAge: number;
  readonly migrationHours: number;
  readonly queryMilliseconds: number;
  /** Percent, between 90 and 100: 99.9. */
  readonly availabilityPercent: number;
}

/** All that rules and dashboards are made of. */
export interface MonitoringSettings {
  readonly watched: Watched;
  readonly thresholds: Thresholds;
  /** Where the runbooks can be read, without a slash at the end: a URL, or the path in this repository. */
  readonly runbooks: string;
}
