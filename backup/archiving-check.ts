import * as path from "node:path";
import { local } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { BucketAddress } from "../components/bucket-address";
import { type Settings, settingsVariable } from "../migration/engine/settings";
import { deadlineVariable, placeVariable } from "./settings";

/** Arguments of {@link ArchivingCheck}. */
export interface ArchivingCheckArgs {
  /** The Cluster's own identity: one that was lost and made anew is another, and must not archive where the first did. */
  readonly cluster: pulumi.Input<string>;
  readonly bucket: BucketAddress;
  readonly serverName: string;
  /** Seconds that the first segment may take. */
  readonly deadline: number;
  /** Where the Cluster is. */
  readonly settings: Settings;
}

/**
 * Nothing that depends on it is done before WAL reaches the store. It is asked once for each Cluster and place: a Cluster that cannot archive, because another cluster's
 * archive lies there, for instance, is as ready as another.
 */
export class ArchivingCheck extends pulumi.ComponentResource {
  constructor(name: string, args: ArchivingCheckArgs, options?: pulumi.ComponentResourceOptions) {
    super("naytife:postgres:ArchivingCheck", name, {}, options);
    const { destinationPath, endpointUrl, credentialsSecret } = args.bucket;
    const place = pulumi.jsonStringify({
      destinationPath,
      endpointUrl,
      credentialsSecret,
      serverName: args.serverName,
    });
    new local.Command(
      `${name}-command`,
      {
        create: "node --require ./local/typescript.js backup/main.ts",
        dir: path.join(__dirname, ".."),
        environment: {
          [settingsVariable]: JSON.stringify(args.settings),
          [placeVariable]: place,
          [deadlineVariable]: String(args.deadline),
        },
        triggers: [place, args.cluster],
        logging: local.Logging.Stderr,
        addPreviousOutputInEnv: false,
      },
      {
        parent: this,
        ignoreChanges: ["create", "dir", "environment", "logging", "addPreviousOutputInEnv"],
      },
    );
    this.registerOutputs({});
  }
}
