import * as path from "node:path";
import { local } from "@pulumi/command";
import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { ClusterSize } from "../components/cluster";
import { names } from "../components/names";
import { retryWhileWebhookIsAway } from "../components/webhook-retry";
import { engineProgram, instancesVariable, type Settings, settingsVariable } from "./engine/settings";
import type { TimeToSafe } from "./engine/settle";

/** Arguments of {@link Growth}. */
export interface GrowthArgs {
  readonly namespace: pulumi.Input<string>;
  /** Name of the Cluster, which leaves its size to this. */
  readonly cluster: pulumi.Input<string>;
  readonly size: ClusterSize;
  /** What the migration was told. */
  readonly settings: Settings;
}

/** Brings the Cluster to its full size after the migration, and waits until all its instances stream. See docs/decisions/grow-after-migration.md. */
export class Growth extends pulumi.ComponentResource {
  /** The Cluster's size as declared. Its instances may still be on their way. */
  readonly size: pulumi.Resource;
  /** null where no migration has finished. */
  readonly timeToSafe: pulumi.Output<TimeToSafe | null>;

  constructor(name: string, args: GrowthArgs, options?: pulumi.ComponentResourceOptions) {
    super("naytife:postgres:Growth", name, {}, options);
    const size = `${names.cluster}-size`;
    this.size = new kubernetes.apiextensions.CustomResourcePatch(
      size,
      {
        apiVersion: "postgresql.cnpg.io/v1",
        kind: "Cluster",
        metadata: {
          name: args.cluster,
          namespace: args.namespace,
          annotations: {
            // The same owner of the fields after a lost state: two would have to let go before synchronous replication could be switched off.
            "pulumi.com/patchFieldManager": size,
            // Else the Cluster's own annotation would make this wait, or not, as the operator is slow or fast.
            "pulumi.com/skipAwait": "true",
          },
        },
        spec: args.size,
      },
      {
        parent: this,
        // Undoing the patch would leave the fields to the API server's default, one instance, and so delete every standby.
        retainOnDelete: true,
        hooks: { onError: [retryWhileWebhookIsAway(`${name}-webhook`)] },
      },
    );
    const settled = new local.Command(
      // Another number of instances is another thing to wait for. Any other change is none.
      `${name}-settled-${args.size.instances}`,
      {
        create: `${engineProgram} settle`,
        dir: path.join(__dirname, ".."),
        environment: {
          [settingsVariable]: JSON.stringify(args.settings),
          [instancesVariable]: String(args.size.instances),
        },
        logging: local.Logging.Stderr,
        addPreviousOutputInEnv: false,
      },
      {
        parent: this,
        dependsOn: [this.size],
        ignoreChanges: ["create", "dir", "environment", "logging", "addPreviousOutputInEnv"],
      },
    );
    this.timeToSafe = settled.stdout.apply((text) => JSON.parse(text) as TimeToSafe | null);
    this.registerOutputs({ timeToSafe: this.timeToSafe });
  }
}
