import * as fs from "node:fs";
import * as path from "node:path";
import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { asOperandUser } from "../postgresql/operand-user";
import { objectNames } from "./engine/manifests";
import type { Settings } from "./engine/settings";

/** `spec` of the CronJob of this name. */
export function sourceWatchSpec(cronJob: string, settings: Settings, image: string) {
  const { source } = settings;
  // The first is there where the old name became an alias of the pooler.
  const hosts = [objectNames(settings).source, source.host].join(" ");
  // Kubernetes does not say of which CronJob a pod is: its log is found by this.
  const metadata = {
    labels: { "app.kubernetes.io/name": cronJob, "app.kubernetes.io/managed-by": "naytife-postgres" },
  };
  const value = (name: string, text: string) => ({ name, value: text });
  return {
    // So often that what it finds is told within five minutes.
    schedule: "*/4 * * * *",
    concurrencyPolicy: "Forbid",
    startingDeadlineSeconds: 120,
    jobTemplate: {
      metadata,
      spec: {
        backoffLimit: 0,
        activeDeadlineSeconds: 200,
        // One that failed is seen until the next but one has been made.
        ttlSecondsAfterFinished: 420,
        template: {
          metadata,
          spec: {
            restartPolicy: "Never",
            automountServiceAccountToken: false,
            enableServiceLinks: false,
            securityContext: asOperandUser,
            containers: [
              {
                name: "look",
                image,
                imagePullPolicy: "IfNotPresent",
                command: ["bash", "-c", fs.readFileSync(path.join(__dirname, "source-watch.sh"), "utf8")],
                env: [
                  value("SOURCE_HOSTS", hosts),
                  value("SOURCE_PORT", String(source.port)),
                  value("SOURCE_USER", source.user),
                  value("SOURCE_DATABASE", source.database),
                  {
                    name: "PGPASSWORD",
                    // Whoever deletes what is left of the old database deletes its Secret, too.
                    valueFrom: { secretKeyRef: { name: source.secretName, key: source.secretKey, optional: true } },
                  },
                ],
                resources: { requests: { cpu: "10m", memory: "32Mi" }, limits: { memory: "64Mi" } },
                securityContext: {
                  allowPrivilegeEscalation: false,
                  readOnlyRootFilesystem: true,
                  capabilities: { drop: ["ALL"] },
                },
              },
            ],
          },
        },
      },
    },
  };
}

/** Arguments of {@link SourceWatch}. */
export interface SourceWatchArgs {
  /** Name of the CronJob; its Jobs' names begin with it. */
  readonly cronJob: string;
  readonly namespace: pulumi.Input<string>;
  /** What the migration was told. */
  readonly settings: Settings;
  /** Image with bash and psql: the operand's. */
  readonly image: string;
}

/**
 * Looks every few minutes whether somebody has opened the old database that the migration sealed, or made it anew. A Job of it fails then, which kube-state-metrics tells and
 * PostgreSQLSourceOpen pages for. Nothing else watches that database.
 */
export class SourceWatch extends pulumi.ComponentResource {
  constructor(name: string, args: SourceWatchArgs, options?: pulumi.ComponentResourceOptions) {
    super("naytife:postgres:SourceWatch", name, {}, options);
    const { cronJob, namespace } = args;
    new kubernetes.batch.v1.CronJob(
      cronJob,
      { metadata: { name: cronJob, namespace }, spec: sourceWatchSpec(cronJob, args.settings, args.image) },
      { parent: this },
    );
    this.registerOutputs({});
  }
}
