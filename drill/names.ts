/** What the drill's objects are called in Kubernetes. */
export const drillNames = {
  /** CronJob, ServiceAccount, rights and scripts. Not the throw-away Cluster's name, by which the operator calls such objects of its own. */
  drill: "naytife-postgres-restore-drill",
  /** The throw-away Cluster. One name for all drills, so that their rights can be for this Cluster alone: see docs/decisions/drill-speaks-with-kubernetes.md. */
  copy: "naytife-postgres-drill",
  report: "naytife-postgres-restore-drill-report",
  /** Secret with the password of the drill's role. */
  role: "naytife-postgres-restore-drill-role",
  /** Secret with the password of the throw-away Cluster's superuser. */
  superuser: "naytife-postgres-restore-drill-superuser",
  /** Secret with the key that reports are signed by. */
  signing: "naytife-postgres-restore-drill-signing",
  /** ConfigMap with the queries of the operator's exporter. */
  metrics: "naytife-postgres-restore-drill-metrics",
} as const;

/** Key of the queries in their ConfigMap. */
export const metricsKey = "queries";

/** The drill's role, and its database, on every instance. */
export const drillRole = "naytife_drill";

/** Marks the drill's pods; job/copy.sh asks for it. */
export const podLabels = { "naytife.com/drill": "run" } as const;

/** Labels by which the drill's objects are known. */
export const labels = {
  "app.kubernetes.io/name": "naytife-postgres-restore-drill",
  "app.kubernetes.io/managed-by": "naytife-postgres",
} as const;
