import * as fs from "node:fs";
import * as path from "node:path";
import type { V1ConfigMap, V1Job, V1PersistentVolumeClaim, V1Secret } from "@kubernetes/client-node";
import { asOperandUser } from "../../postgresql/operand-user";
import { MigrationFailure, nothingChanged } from "./failure";
import { scramVerifier } from "./scram";
import { bytesOf, type Settings } from "./settings";
import type { SignedText } from "./signature";

/** The role that the Job connects to the target by. It exists while a migration runs. */
export const temporaryRole = "naytife_migration";

/** How long the temporary role may log in, in hours: longer than any migration, and not for ever if all else fails. */
export const temporaryRoleHours = 48;

/** How long a plan may look, in minutes. */
const planMinutes = 10;

/** Names of the migration's objects: fixed for a Cluster, so that there is one migration at a time. */
export function objectNames({ target }: Settings): Record<"job" | "dump" | "report" | "signing" | "source", string> {
  const job = `${target.cluster}-migration`;
  return { job, dump: `${job}-dump`, report: `${job}-report`, signing: `${job}-signing`, source: `${job}-source` };
}

/** Labels by which the migration knows its own objects. */
export function labels(settings: Settings): Record<string, string> {
  return {
    "app.kubernetes.io/name": "naytife-postgres-migration",
    "app.kubernetes.io/managed-by": "naytife-postgres",
    "naytife.com/cluster": settings.target.cluster,
  };
}

/** Refuses an object of our name that somebody else made. @throws MigrationFailure */
export function refuseForeign(settings: Settings, found: Record<string, string> | undefined, what: string): void {
  const key = "naytife.com/cluster";
  if (found?.[key] !== labels(settings)[key]) {
    throw new MigrationFailure(`${what} exists and is not this migration's`, nothingChanged, "Rename or delete it.");
  }
}

/** What the Job can do: the first argument of job/migrate.sh. */
export const modes = ["migrate", "verify", "plan", "rollback"] as const;
export type Mode = (typeof modes)[number];

/** A mode in words, for a sentence. */
export const describeMode: Readonly<Record<Mode, string>> = {
  migrate: "a migration",
  verify: "a comparison (verify)",
  plan: "a look ahead (plan)",
  rollback: "a rollback",
};

/** The Job's label that says what it does, so that nobody takes a comparison for a migration. */
export const modeLabel = "naytife.com/mode";

/** The label and its value on the dump's volume once the migration is finished: from then on what it holds is a backup. */
export const holdsLabel = "naytife.com/holds";
export const backup = "backup";

const scriptsDirectory = path.join(__dirname, "..", "job");

/** The scripts and SQL that run in the Job. */
export function scripts(): Record<string, string> {
  return Object.fromEntries(
    fs
      .readdirSync(scriptsDirectory)
      .sort()
      .map((file) => [file, fs.readFileSync(path.join(scriptsDirectory, file), "utf8")]),
  );
}

export function configMap(settings: Settings): V1ConfigMap {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: objectNames(settings).job, namespace: settings.namespace, labels: labels(settings) },
    data: scripts(),
  };
}

/** What the Job logs in to the target by, and, of an online migration, the target to the source. */
export function secret(settings: Settings, password: string, replicationPassword: string): V1Secret {
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: objectNames(settings).job, namespace: settings.namespace, labels: labels(settings) },
    type: "kubernetes.io/basic-auth",
    stringData: {
      username: temporaryRole,
      password,
      ...(settings.mode === "online"
        ? { replicationPassword, replicationVerifier: scramVerifier(replicationPassword) }
        : {}),
    },
  };
}

/** The finished migration's report, for people and for programs, with its checksum and signature. It stays. */
export function reportConfigMap(settings: Settings, report: SignedText, markdown: string): V1ConfigMap {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: objectNames(settings).report, namespace: settings.namespace, labels: labels(settings) },
    data: {
      "report.json": report.text,
      "report.json.sha256": report.sha256,
      "report.json.hmac-sha256": report.signature,
      "report.md": markdown,
    },
  };
}

/** The key that reports are signed by: 32 bytes, in hexadecimal. Made once; it stays. */
export function signingSecret(settings: Settings, key: string): V1Secret {
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: objectNames(settings).signing, namespace: settings.namespace, labels: labels(settings) },
    type: "Opaque",
    stringData: { key },
  };
}

export function dumpVolumeClaim(settings: Settings): V1PersistentVolumeClaim {
  return {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name: objectNames(settings).dump, namespace: settings.namespace, labels: labels(settings) },
    spec: {
      accessModes: ["ReadWriteOnce"],
      ...(settings.dump.storageClass === "" ? {} : { storageClassName: settings.dump.storageClass }),
      resources: { requests: { storage: settings.dump.size } },
    },
  };
}

/** What a run adds to the settings. */
export interface Run {
  readonly id: string;
  readonly mode: Mode;
  /** The operand image. */
  readonly image: string;
  /** Whether the dump's volume is there. A plan makes none. */
  readonly dumpVolume: boolean;
  /** Bytes that the target's volume has room for. */
  readonly targetFree: number;
  /** Limits of the target's instance: bytes, and thousandths of a core. 0: none. */
  readonly targetMemory: number;
  readonly targetMillicores: number;
  /** Host or address of the source. */
  readonly sourceHost: string;
  /** Whether the source's own host name is to lead to the other side, and clients by it are held meanwhile. */
  readonly alias?: boolean;
}

/** The one Job. It is made suspended: who manages to make it prepares what it needs and then lets it go. */
export function job(settings: Settings, run: Run): V1Job {
  const { source, target, namespace } = settings;
  const names = objectNames(settings);
  const value = (name: string, text: string) => ({ name, value: text });
  const fromSecret = (name: string, secretName: string, key: string) => ({
    name,
    valueFrom: { secretKeyRef: { name: secretName, key } },
  });
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name: names.job, namespace, labels: { ...labels(settings), [modeLabel]: run.mode } },
    spec: {
      suspend: true,
      // A second attempt is the engine's to make: it looks first at what the first one left.
      backoffLimit: 0,
      activeDeadlineSeconds: run.mode === "plan" ? planMinutes * 60 : temporaryRoleHours * 3600,
      // A plan whose engine was lost goes by itself.
      ...(run.mode === "plan" ? { ttlSecondsAfterFinished: planMinutes * 60 } : {}),
      template: {
        metadata: { labels: labels(settings) },
        spec: {
          restartPolicy: "Never",
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          // Time to let the source go.
          terminationGracePeriodSeconds: 60,
          securityContext: asOperandUser,
          containers: [
            {
              name: "migration",
              image: run.image,
              imagePullPolicy: "IfNotPresent",
              command: ["bash", "/migration/migrate.sh", run.mode],
              env: [
                value("RUN", run.id),
                value("JOBS", String(settings.jobs)),
                value("MIGRATION_MODE", settings.mode ?? "offline"),
                ...(settings.mode === "online"
                  ? [
                      fromSecret("REPLICATION_PASSWORD", names.job, "replicationPassword"),
                      fromSecret("REPLICATION_VERIFIER", names.job, "replicationVerifier"),
                    ]
                  : []),
                value("SOURCE_HOST", run.sourceHost),
                value("SOURCE_PORT", String(source.port)),
                ...(run.alias === true && settings.alias !== undefined
                  ? [value("ALIAS", source.host), value("HOLD_SECONDS", String(settings.alias.holdSeconds))]
                  : []),
                value("SOURCE_DATABASE", source.database),
                value("SOURCE_USER", source.user),
                fromSecret("SOURCE_PASSWORD", source.secretName, source.secretKey),
                value("TARGET_HOST", `${target.cluster}-rw`),
                value("TARGET_PORT", "5432"),
                value("TARGET_CA", "/target-ca/ca.crt"),
                value("TARGET_DATABASE", target.database),
                value("TARGET_USER", temporaryRole),
                fromSecret("TARGET_PASSWORD", names.job, "password"),
                value("TARGET_OWNER", target.owner),
                fromSecret("TARGET_OWNER_PASSWORD", target.secretName, "password"),
                value("TARGET_OWNER_SECRET", target.secretName),
                // A plan signs nothing, and makes no key.
                ...(run.mode === "plan" ? [] : [fromSecret("SIGNING_KEY", names.signing, "key")]),
                value("TARGET_FREE", String(run.targetFree)),
                value("TARGET_MEMORY", String(run.targetMemory)),
                value("TARGET_MILLICORES", String(run.targetMillicores)),
                value("DUMP_CAPACITY", String(bytesOf(settings.dump.size))),
                value("DUMP_VOLUME", run.dumpVolume ? "present" : "absent"),
                value("SEARCH_PATH", target.searchPath.map((schema) => `"${schema.replaceAll('"', '""')}"`).join(", ")),
                value("WORK", "/work"),
                value("DUMP", "/dump"),
                value("HOME", "/work"),
                value("TMPDIR", "/work"),
              ],
              resources: { requests: { cpu: "100m", memory: "128Mi" }, limits: { memory: "512Mi" } },
              securityContext: {
                allowPrivilegeEscalation: false,
                readOnlyRootFilesystem: true,
                capabilities: { drop: ["ALL"] },
              },
              volumeMounts: [
                { name: "scripts", mountPath: "/migration", readOnly: true },
                { name: "target-ca", mountPath: "/target-ca", readOnly: true },
                { name: "dump", mountPath: "/dump", ...(run.mode === "plan" ? { readOnly: true } : {}) },
                { name: "work", mountPath: "/work" },
              ],
            },
          ],
          volumes: [
            { name: "scripts", configMap: { name: names.job } },
            {
              name: "target-ca",
              secret: { secretName: `${target.cluster}-ca`, items: [{ key: "ca.crt", path: "ca.crt" }] },
            },
            {
              name: "dump",
              ...(run.dumpVolume ? { persistentVolumeClaim: { claimName: names.dump } } : { emptyDir: {} }),
            },
            { name: "work", emptyDir: {} },
          ],
        },
      },
    },
  };
}
