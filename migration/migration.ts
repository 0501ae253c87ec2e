import * as path from "node:path";
import { local } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { type Settings, settingsVariable } from "./engine/settings";

/** Where the data comes from. */
export interface MigrationSource {
  /** Host of the legacy database as pods resolve it, as a rule its Service. */
  host: pulumi.Input<string>;
  /** Port. */
  port: pulumi.Input<number>;
  /** Database to move. */
  database: pulumi.Input<string>;
  /** A superuser of the legacy server. */
  user: pulumi.Input<string>;
  /** Secret in the namespace that holds the user's password. The password itself never passes through the program. */
  secretName: pulumi.Input<string>;
  /** Key of the password in that Secret. */
  secretKey: pulumi.Input<string>;
}

/** Where the data goes. */
export interface MigrationTarget {
  /** Name of the CloudNativePG Cluster. */
  cluster: pulumi.Input<string>;
  /** The application's database. It must be empty, or hold what this migration put there. */
  database: pulumi.Input<string>;
  /** The application's role. It keeps its password of the target and gets no superuser's rights. */
  owner: pulumi.Input<string>;
  /** Secret (kubernetes.io/basic-auth) of that role. */
  secretName: pulumi.Input<string>;
  /** search_path of the owner in the database, set where the source brings none. */
  searchPath: pulumi.Input<string[]>;
}

export interface MigrationArgs {
  /** Namespace of the legacy database, the Cluster and the migration's Job. */
  namespace: pulumi.Input<string>;
  source: MigrationSource;
  target: MigrationTarget;
  /** Operand image of the Job. @default the Cluster's own */
  image?: pulumi.Input<string>;
  /** Tables that are dumped, restored and compared side by side. @default 2 */
  jobs?: pulumi.Input<number>;
  /** Size of the volume that keeps the dump. */
  dumpSize: pulumi.Input<string>;
  /** StorageClass of that volume. @default the cluster's default class */
  dumpStorageClass?: pulumi.Input<string>;
  /** Path of a kubeconfig. @default the ambient one */
  kubeconfig?: pulumi.Input<string>;
  /** Context of the kubeconfig. @default its current context */
  context?: pulumi.Input<string>;
}

/** What is known of a finished migration; the marker in the target holds all of it. */
export interface MigrationReport {
  run: string;
  completed: string;
  source: { where: string; version: string; bytes: number };
  target: { database: string; version: string };
  phases: { phase: string; seconds: number; detail: string | null }[];
  tables: { table: string; rows: number; hash: string }[];
  compared: Record<string, number>;
  rows: number;
  schema: { equal: boolean; sha256: string };
  sourceUnchanged: string;
  dump: { directory: string; bytes: number; sha256: string };
  warnings: string[];
}

/**
 * Moves a database into the Cluster, once: the target is either untouched or whole, and verified. What is done stands in the target, not in Pulumi's
 * state, so that a repeated `up`, a lost state or a renamed resource changes nothing on a finished target. See docs/migration.md.
 */
export class Migration extends pulumi.ComponentResource {
  /** What was moved, compared and left behind. */
  readonly report: pulumi.Output<MigrationReport>;
  /** The run that finished the migration, as the marker in the target names it. */
  readonly marker: pulumi.Output<string>;

  constructor(name: string, args: MigrationArgs, options?: pulumi.ComponentResourceOptions) {
    super("naytife:postgres:Migration", name, args, options);
    const settings: pulumi.Output<Settings> = pulumi
      .output({
        kubeconfig: args.kubeconfig ?? "",
        context: args.context ?? "",
        namespace: args.namespace,
        source: args.source,
        target: args.target,
        image: args.image ?? "",
        jobs: args.jobs ?? 2,
        dump: { size: args.dumpSize, storageClass: args.dumpStorageClass ?? "" },
      })
      .apply((values) => values);
    const engine = "node --import tsx migration/engine/main.ts";
    const command = new local.Command(
      `${name}-engine`,
      {
        create: engine,
        update: engine,
        dir: path.join(__dirname, ".."),
        environment: { [settingsVariable]: pulumi.jsonStringify(settings) },
        logging: local.Logging.Stderr,
        addPreviousOutputInEnv: false,
      },
      {
        parent: this,
        // The engine asks the target what is left to do. Another machine's paths or a new setting are no reason to ask again.
        ignoreChanges: ["create", "update", "dir", "environment", "logging", "addPreviousOutputInEnv"],
      },
    );
    this.report = command.stdout.apply((text) => JSON.parse(text) as MigrationReport);
    this.marker = this.report.apply(({ run }) => run);
    this.registerOutputs({ report: this.report, marker: this.marker });
  }
}
