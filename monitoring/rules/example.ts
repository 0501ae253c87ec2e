import type { MonitoringSettings } from "../settings";

/** What the cases of the rules are written for: production, with everything there. */
export const example: MonitoringSettings = {
  watched: {
    stack: "production",
    namespace: "naytife-production",
    operatorNamespace: "cnpg-system",
    cluster: "naytife-postgres",
    pooler: "naytife-postgres-pooler",
    migrationJob: "naytife-postgres-migration",
    drillCronJob: "naytife-postgres-restore-drill",
    sourceWatch: "naytife-postgres-source-watch",
    podMonitors: { operator: "naytife-postgres-operator", plugin: "naytife-postgres-plugin" },
    instances: 3,
    synchronousReplicas: 1,
    dataDurability: "required",
    spread: true,
    volumeBytes: 100 * 2 ** 30,
    poolerInstances: 2,
    poolerMaxClientConnections: 1000,
    backups: true,
    tls: true,
    exporters: ["kubelet", "kube-state-metrics", "x509-certificate-exporter"],
  },
  thresholds: {
    replicationLagSeconds: 10,
    connectionsPercent: 80,
    connectionsCriticalPercent: 95,
    poolerWaitSeconds: 5,
    walBacklogSegments: 10,
    walArchiveAgeSeconds: 60,
    backupAgeHours: 26,
    drillAgeDays: 8,
    volumeFreePercent: 10,
    volumeFullDays: 1,
    slotWalPercent: 10,
    certificateDays: 6,
    transactionSeconds: 1800,
    transactionIdAge: 500_000_000,
    migrationHours: 12,
    queryMilliseconds: 100,
    availabilityPercent: 99.9,
  },
  runbooks: "docs/runbooks",
};

const { namespace, operatorNamespace, cluster, pooler, podMonitors } = example.watched;

/** Series as the exporters send them: of instance number n, of the pooler pod with this letter, of the operator, … */
export const series = {
  instance: (metric: string, number: number, labels = ""): string =>
    text(metric, `namespace="${namespace}",pod="${cluster}-${number}",instance="10.0.0.${number}:9187"`, labels),
  pooler: (metric: string, letter: string, labels = ""): string =>
    text(metric, `namespace="${namespace}",pod="${pooler}-5c9f7d-${letter}"`, labels),
  operator: (metric: string, labels = ""): string =>
    text(metric, `namespace="${operatorNamespace}",job="${namespace}/${podMonitors.operator}",pod="cnpg-1"`, labels),
  plugin: (metric: string): string =>
    text(metric, `namespace="${operatorNamespace}",job="${namespace}/${podMonitors.plugin}",pod="barman-cloud-1"`),
  volume: (metric: string): string => text(metric, `namespace="${namespace}",persistentvolumeclaim="${cluster}-1"`),
  job: (metric: string, name: string, labels = ""): string =>
    text(metric, `namespace="${namespace}",job_name="${name}"`, labels),
  cronJob: (metric: string): string => text(metric, `namespace="${namespace}",cronjob="${cluster}-restore-drill"`),
  certificate: (metric: string): string =>
    text(metric, `secret_namespace="${namespace}",secret_name="${cluster}-server",secret_key="tls.crt"`),
};

/** The label that a rule keeps of an instance, or of a pooler pod. */
export const instancePod = (number: number) => ({ pod: `${cluster}-${number}` });
export const poolerPod = (letter: string) => ({ pod: `${pooler}-5c9f7d-${letter}` });

function text(metric: string, identity: string, labels = ""): string {
  return `${metric}{${labels === "" ? identity : `${identity},${labels}`}}`;
}
