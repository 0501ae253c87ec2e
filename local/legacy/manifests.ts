/** The legacy database's Kubernetes objects, as the plan describes them: one Deployment on an emptyDir. */

/** An object as it is written down; the API server judges its fields. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  [field: string]: unknown;
}

/** Names that the plan gives, and that the migration looks for. */
export const names = {
  deployment: "postgres",
  service: "postgres",
  secret: "postgres-secret",
  connection: "postgres-connection",
  seed: "postgres-seed",
  user: "naytife",
  database: "naytifedb",
} as const;

const labels = { app: "postgres" };

/** How much the server writes to its WAL: `replica` as it comes, `logical` for an online migration. */
export const walLevels = ["replica", "logical"] as const;
export type WalLevel = (typeof walLevels)[number];

export function namespaceManifest(name: string): Manifest {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name } };
}

export function secretManifest(namespace: string, password: string): Manifest {
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: names.secret, namespace, labels },
    type: "Opaque",
    stringData: { POSTGRES_USER: names.user, POSTGRES_PASSWORD: password, POSTGRES_DB: names.database },
  };
}

export function connectionSecretManifest(namespace: string, url: string): Manifest {
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: names.connection, namespace, labels },
    type: "Opaque",
    stringData: { url },
  };
}

export function serviceManifest(namespace: string): Manifest {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: names.service, namespace, labels },
    spec: { selector: labels, ports: [{ name: "postgres", port: 5432, targetPort: "postgres" }] },
  };
}

/**
 * The probe asks over the loopback interface, so that the entry point's first, socket-only start does not pass for ready; and it
 * asks the server, not the database, which the migration seals in the end.
 */
export function deploymentManifest(namespace: string, image: string, walLevel: WalLevel): Manifest {
  const ask = 'pg_isready -q -h 127.0.0.1 -U "$POSTGRES_USER" -d "$POSTGRES_DB"';
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: names.deployment, namespace, labels },
    spec: {
      replicas: 1,
      // Two servers on one data directory would be the end of it; on an emptyDir it is the end of the data anyway.
      strategy: { type: "Recreate" },
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          containers: [
            {
              name: "postgres",
              image,
              imagePullPolicy: "IfNotPresent",
              ...(walLevel === "replica" ? {} : { args: ["-c", `wal_level=${walLevel}`] }),
              envFrom: [{ secretRef: { name: names.secret } }],
              env: [{ name: "PGDATA", value: "/var/lib/postgresql/data/pgdata" }],
              ports: [{ name: "postgres", containerPort: 5432 }],
              resources: { requests: { cpu: "200m", memory: "256Mi" }, limits: { memory: "2Gi" } },
              readinessProbe: {
                exec: { command: ["sh", "-c", ask] },
                periodSeconds: 2,
                timeoutSeconds: 5,
                failureThreshold: 3,
              },
              volumeMounts: [
                { name: "data", mountPath: "/var/lib/postgresql/data" },
                { name: "shared-memory", mountPath: "/dev/shm" },
              ],
            },
          ],
          volumes: [
            { name: "data", emptyDir: {} },
            // The container's own 64 MB of shared memory are too few for parallel index builds.
            { name: "shared-memory", emptyDir: { medium: "Memory", sizeLimit: "512Mi" } },
          ],
        },
      },
    },
  };
}

export function seedConfigMap(namespace: string, files: Record<string, string>): Manifest {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: names.seed, namespace, labels: seedLabels },
    data: files,
  };
}

// Not the database's label: its Service and the migration select pods by that one.
const seedLabels = { app: "postgres-seed" };

export interface SeedSettings {
  size: string;
  seed: number;
  rows: Readonly<Record<string, number>>;
  /** COPY pipes at a time. */
  streams: number;
}

export function seedJob(namespace: string, image: string, settings: SeedSettings): Manifest {
  const rows = Object.entries(settings.rows).map(([table, count]) => `${table}=${count}`);
  const secret = (key: string) => ({ secretKeyRef: { name: names.secret, key } });
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name: names.seed, namespace, labels: seedLabels },
    spec: {
      backoffLimit: 0,
      activeDeadlineSeconds: 7200,
      template: {
        metadata: { labels: seedLabels },
        spec: {
          restartPolicy: "Never",
          automountServiceAccountToken: false,
          containers: [
            {
              name: "seed",
              image,
              imagePullPolicy: "IfNotPresent",
              command: ["bash", "/seed/seed.sh"],
              env: [
                { name: "PGHOST", value: names.service },
                { name: "PGUSER", valueFrom: secret("POSTGRES_USER") },
                { name: "PGPASSWORD", valueFrom: secret("POSTGRES_PASSWORD") },
                { name: "SIZE", value: settings.size },
                { name: "SEED", value: String(settings.seed) },
                { name: "ROWS", value: rows.join(" ") },
                { name: "STREAMS", value: String(settings.streams) },
              ],
              resources: { requests: { cpu: "100m", memory: "64Mi" }, limits: { memory: "512Mi" } },
              volumeMounts: [{ name: "seed", mountPath: "/seed", readOnly: true }],
            },
          ],
          volumes: [{ name: "seed", configMap: { name: names.seed } }],
        },
      },
    },
  };
}

export interface WriterSettings {
  name: string;
  image: string;
  /** Milliseconds between the starts of two writes. */
  periodMilliseconds: number;
  /** Seconds after which the writer ends by itself. */
  durationSeconds: number;
  /** Secret and key whose value is the URL to write to; read anew before each write, so a changed Secret is followed. */
  url: { secret: string; key: string };
}

/** The writer: a Job that ends by itself, and that `activeDeadlineSeconds` ends if it does not. */
export function writerJob(namespace: string, script: string, settings: WriterSettings): Manifest {
  const labels = { app: "legacy-writer", "naytife.io/writer": settings.name };
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name: settings.name, namespace, labels },
    spec: {
      backoffLimit: 0,
      activeDeadlineSeconds: Math.ceil(settings.durationSeconds) + 120,
      template: {
        metadata: { labels },
        spec: {
          restartPolicy: "Never",
          automountServiceAccountToken: false,
          terminationGracePeriodSeconds: 10,
          containers: [
            {
              name: "writer",
              image: settings.image,
              imagePullPolicy: "IfNotPresent",
              command: ["bash", "-c", script],
              env: [
                { name: "WRITER", value: settings.name },
                { name: "PERIOD_MILLISECONDS", value: String(settings.periodMilliseconds) },
                { name: "DURATION_MILLISECONDS", value: String(Math.round(settings.durationSeconds * 1000)) },
                { name: "URL_FILE", value: `/connection/${settings.url.key}` },
              ],
              resources: { requests: { cpu: "50m", memory: "32Mi" }, limits: { memory: "128Mi" } },
              volumeMounts: [{ name: "connection", mountPath: "/connection", readOnly: true }],
            },
          ],
          volumes: [{ name: "connection", secret: { secretName: settings.url.secret } }],
        },
      },
    },
  };
}
