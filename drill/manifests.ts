import * as fs from "node:fs";
import * as path from "node:path";
import type * as pulumi from "@pulumi/pulumi";
import type { ClusterSpec } from "../components/cluster";
import { recoveryBootstrap, type RecoveredDatabase } from "../components/recovery-bootstrap";
import { asOperandUser } from "../postgresql/operand-user";
import { drillNames, drillRole, labels, podLabels } from "./names";

/** A drill, in plain values. */
export interface DrillDescription {
  /** Namespace, by name. */
  readonly namespace: string;
  /** Cluster whose backups are proven. */
  readonly cluster: string;
  /** Database that is compared. */
  readonly database: string;
  /** Operand image of the drill's pod. */
  readonly image: string;
  /** Five fields of cron, UTC. */
  readonly schedule: string;
  /** Minutes after which a drill that could not begin in time is left out. */
  readonly startingDeadlineMinutes: number;
  /** Minutes after which a drill is ended. */
  readonly deadlineMinutes: number;
  /** Minutes for which an ended drill's Job and log stay. */
  readonly keepMinutes: number;
  /** Bytes of tables that are compared by their hashes; the biggest beyond that by their count. */
  readonly hashLimit: number;
  /** The promises that the drill measures, in seconds. */
  readonly recoveryTime: number;
  readonly recoveryPoint: number;
  /** Of the drill's pod, Kubernetes quantities. */
  readonly memory: string;
  readonly cpuRequest: string;
}

const ownScripts = path.join(__dirname, "job");
const migrationScripts = path.join(__dirname, "..", "migration", "job");

/** What the drill shares with the migration: how a script tells of itself, how rows are hashed, how files are checked. */
const shared = [
  "common.sh",
  "row-hash.sql",
  "hashes.sql",
  "amcheck.sql",
  "amcheck-functions.sql",
  "listed.sql",
] as const;

/** The scripts and SQL that run in the drill's pod. */
export function scripts(): Record<string, string> {
  const files = [
    ...shared.map((file) => path.join(migrationScripts, file)),
    ...fs
      .readdirSync(ownScripts)
      .sort()
      .map((file) => path.join(ownScripts, file)),
  ];
  return Object.fromEntries(files.map((file) => [path.basename(file), fs.readFileSync(file, "utf8")]));
}

/** What the operator's exporter asks the drill's database, see {@link drillNames.metrics}. */
export function metricsQueries(): string {
  return fs.readFileSync(path.join(__dirname, "metrics.yaml"), "utf8");
}

/** The archive that a throw-away Cluster is restored from. */
export interface DrilledArchive {
  /** Name of the ObjectStore. */
  readonly objectStore: pulumi.Input<string>;
  /** Folder of the Cluster's archive. */
  readonly serverName: string;
}

/**
 * The throw-away Cluster, with three blanks that the script fills in: where recovery ends, and the pod that owns it. It is one instance of the Cluster as it
 * is, since another size would measure another recovery, with the parameters, without which it would not start, and without an archive. When its owner goes,
 * however it does, Kubernetes removes it. Its StorageClass is to remove the volume with it.
 */
export function throwAwayCluster(
  { namespace }: Pick<DrillDescription, "namespace">,
  source: Pick<ClusterSpec, "imageName" | "postgresql" | "storage" | "resources" | "probes">,
  archive: DrilledArchive,
  database: RecoveredDatabase,
) {
  return {
    apiVersion: "postgresql.cnpg.io/v1",
    kind: "Cluster",
    metadata: {
      name: drillNames.copy,
      namespace,
      labels: { ...labels },
      ownerReferences: [{ apiVersion: "v1", kind: "Pod", name: "@pod@", uid: "@uid@" }],
    },
    spec: {
      instances: 1,
      imageName: source.imageName,
      enablePDB: false,
      // amcheck is for superusers.
      enableSuperuserAccess: true,
      superuserSecret: { name: drillNames.superuser },
      postgresql: { parameters: source.postgresql.parameters, pg_hba: source.postgresql.pg_hba },
      storage: source.storage,
      resources: source.resources,
      probes: source.probes,
      affinity: { enablePodAntiAffinity: false },
      ...recoveryBootstrap({ ...archive, target: { targetLSN: "@position@", exclusive: true } }, database),
    },
  };
}

/** A rule of a Role. */
interface Right {
  apiGroups: string[];
  resources: string[];
  resourceNames?: string[];
  verbs: string[];
}

/** What the drill may do in its namespace: with one Cluster and one ConfigMap whatever it needs, and else look. */
export const rights: Right[] = [
  {
    apiGroups: ["postgresql.cnpg.io"],
    resources: ["clusters"],
    resourceNames: [drillNames.copy],
    verbs: ["get", "create", "patch", "delete"],
  },
  { apiGroups: [""], resources: ["configmaps"], resourceNames: [drillNames.report], verbs: ["create", "patch"] },
  { apiGroups: ["postgresql.cnpg.io"], resources: ["backups"], verbs: ["list"] },
  // Whether another drill runs, what an earlier one left, and what a recovery says.
  { apiGroups: [""], resources: ["pods", "persistentvolumeclaims"], verbs: ["list"] },
  { apiGroups: [""], resources: ["pods/log"], verbs: ["get"] },
];

/** `spec` of the CronJob. */
export function cronJobSpec(drill: DrillDescription) {
  const value = (name: string, text: string) => ({ name, value: text });
  const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
  const secret = (name: string, secretName: string, key: string) => ({
    name,
    valueFrom: { secretKeyRef: { name: secretName, key } },
  });
  const timeLimit = drill.deadlineMinutes * 60;
  return {
    schedule: drill.schedule,
    timeZone: "Etc/UTC",
    concurrencyPolicy: "Forbid",
    startingDeadlineSeconds: drill.startingDeadlineMinutes * 60,
    jobTemplate: {
      metadata: { labels: { ...labels } },
      spec: {
        // A drill that fails has found something.
        backoffLimit: 0,
        activeDeadlineSeconds: timeLimit,
        ttlSecondsAfterFinished: drill.keepMinutes * 60,
        template: {
          metadata: { labels: { ...labels, ...podLabels } },
          spec: {
            restartPolicy: "Never",
            serviceAccountName: drillNames.drill,
            enableServiceLinks: false,
            // Time to remove the throw-away Cluster and to write the report.
            terminationGracePeriodSeconds: 60,
            securityContext: asOperandUser,
            containers: [
              {
                name: "drill",
                image: drill.image,
                imagePullPolicy: "IfNotPresent",
                command: ["bash", "/drill/drill.sh"],
                env: [
                  field("DRILL", "metadata.name"),
                  field("POD", "metadata.name"),
                  field("POD_UID", "metadata.uid"),
                  field("NAMESPACE", "metadata.namespace"),
                  value("CLUSTER", drill.cluster),
                  value("DATABASE", drill.database),
                  value("COPY", drillNames.copy),
                  value("REPORT", drillNames.report),
                  value("TIME_LIMIT", String(timeLimit)),
                  value("HASH_LIMIT", String(drill.hashLimit)),
                  value("RECOVERY_TIME", String(drill.recoveryTime)),
                  value("RECOVERY_POINT", String(drill.recoveryPoint)),
                  secret("DRILL_PASSWORD", drillNames.role, "password"),
                  secret("SUPERUSER_PASSWORD", drillNames.superuser, "password"),
                  secret("SIGNING_KEY", drillNames.signing, "key"),
                  value("WORK", "/work"),
                  value("HOME", "/work"),
                  value("TMPDIR", "/work"),
                ],
                resources: {
                  requests: { cpu: drill.cpuRequest, memory: drill.memory },
                  limits: { memory: drill.memory },
                },
                securityContext: {
                  allowPrivilegeEscalation: false,
                  readOnlyRootFilesystem: true,
                  capabilities: { drop: ["ALL"] },
                },
                volumeMounts: [
                  { name: "scripts", mountPath: "/drill", readOnly: true },
                  { name: "ca", mountPath: "/ca", readOnly: true },
                  { name: "work", mountPath: "/work" },
                ],
              },
            ],
            volumes: [
              { name: "scripts", configMap: { name: drillNames.drill } },
              { name: "ca", secret: { secretName: `${drill.cluster}-ca`, items: [{ key: "ca.crt", path: "ca.crt" }] } },
              { name: "work", emptyDir: {} },
            ],
          },
        },
      },
    },
  };
}

/** `spec` of the drill's role: it reads everything, row security or not, and changes nothing but its own database. */
export function roleSpec(cluster: pulumi.Input<string>) {
  return {
    cluster: { name: cluster },
    name: drillRole,
    ensure: "present",
    login: true,
    bypassrls: true,
    inRoles: ["pg_read_all_data", "pg_monitor"],
    passwordSecret: { name: drillNames.role },
    databaseRoleReclaimPolicy: "retain",
  };
}

/**
 * `spec` of the drill's database. It stays when the drill is switched off: the operator would drop it without force, and its own exporter is connected to it, so
 * that a destroy would wait for ever.
 */
export function databaseSpec(cluster: pulumi.Input<string>) {
  return { cluster: { name: cluster }, name: drillRole, owner: drillRole, databaseReclaimPolicy: "retain" };
}
