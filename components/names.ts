/**
 * What things are called in Kubernetes. The names are fixed, since applications, people and other objects refer to them;
 * stacks differ by namespace.
 */
export const names = {
  operatorNamespace: "cnpg-system",
  /** Also the pooler's Service: the operator adds no suffix. */
  pooler: "naytife-postgres-pooler",
  credentialsSecret: "cnpg-cluster-secret",
  connectionSecret: "naytife-postgres-connection",
  /** Keys ACCESS_KEY_ID and ACCESS_SECRET_KEY of the backups' bucket. */
  backupSecret: "cnpg-backup-secret",
  /** The plugin's ObjectStore. */
  objectStore: "naytife-postgres-backups",
  /** Deployment, Service and volume of the S3 store in the cluster. */
  localStore: "naytife-postgres-store",
  /** ConfigMap of what the instances' exporters ask beyond the operator's own queries. */
  queriesConfigMap: "naytife-postgres-queries",
} as const;

/** The operator's Service of a Cluster that always leads to the current primary. */
export function readWriteService(cluster: string): string {
  return `${cluster}-rw`;
}

/** The operator's Secret of a Cluster with the certificate authority that clients verify its servers with, key ca.crt. */
export function caSecret(cluster: string): string {
  return `${cluster}-ca`;
}

/** Folder of a Cluster's archive in its bucket, barman's server name: its own name where nothing else is said. */
export function archiveFolder(values: { readonly backupServerName: string; readonly clusterName: string }): string {
  return values.backupServerName || values.clusterName;
}

/** Port of every PostgreSQL and PgBouncer Service. */
export const postgresPort = 5432;

/** Host name of a Service that resolves in the whole Kubernetes cluster, whatever its domain is. */
export function serviceHost(service: string, namespace: string): string {
  return `${service}.${namespace}.svc`;
}

/** All the names that a client in the Kubernetes cluster may call a Service by, for a certificate. */
export function serviceNames(service: string, namespace: string): string[] {
  return [service, `${service}.${namespace}`, serviceHost(service, namespace)];
}
