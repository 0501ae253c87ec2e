import * as path from "node:path";
import { local } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { type Settings, settingsVariable } from "../migration/engine/settings";
import { type CheckedRecovery, recoveryVariable } from "./asked";

/** Arguments of {@link RecoverySourceCheck}. */
export interface RecoverySourceCheckArgs extends CheckedRecovery {
  /** The ObjectStore's own identity: one that is made anew says that all was lost. */
  readonly objectStore: pulumi.Input<string>;
  /** Where the ObjectStore is. */
  readonly settings: Settings;
}

/** A Cluster that depends on it begins with nothing that the bucket does not hold. Where it is there already nothing is asked. */
export class RecoverySourceCheck extends pulumi.ComponentResource {
  constructor(name: string, args: RecoverySourceCheckArgs, options?: pulumi.ComponentResourceOptions) {
    super("naytife:postgres:RecoverySourceCheck", name, {}, options);
    const { objectStore, settings, recovery, deadline } = args;
    const checked: CheckedRecovery = { recovery, deadline };
    new local.Command(
      `${name}-command`,
      {
        create: "node --require ./local/typescript.js recovery/source-question.ts",
        dir: path.join(__dirname, ".."),
        environment: { [settingsVariable]: JSON.stringify(settings), [recoveryVariable]: JSON.stringify(checked) },
        triggers: [objectStore, recovery.cluster, recovery.from, recovery.at],
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
