import * as path from "node:path";
import { local } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { Side } from "./engine/record";
import { activeVariable, engineProgram, type Settings, settingsVariable } from "./engine/settings";

/** What is known of a finished migration; the marker in the target holds all of it. */
export interface MigrationReport {
  run: string;
  completed: string;
  source: { where: string; version: string; bytes: number; locale?: string };
  target: { database: string; version: string; locale?: string };
  phases: { phase: string; seconds: number; detail: string | null }[];
  tables: { table: string; rows: number; hash: string }[];
  compared: Record<string, number>;
  rows: number;
  schema: { equal: boolean; sha256: string };
  sourceUnchanged: string;
  dump: { directory: string; bytes: number; sha256: string };
  warnings: string[];
  /** How the rows were compared, and how fast. Reports of earlier versions lack this and all that follows. */
  verification?: { seconds: number; bytes: number; bytesPerSecond: number; workersPerSide: number; rowHash: string };
  /** Probes of how text sorts and folds its case on either side. */
  text?: { probes: number; differing: number };
  /** The copy's files, checked by PostgreSQL's amcheck; null where the image has none. */
  amcheck?: { tables: number; indexes: number; damaged: number } | null;
  extensions?: { extension: string; source: string | null; target: string | null }[];
  /** Of an online migration: positions in the source's WAL, and what was compared in which of them. */
  online?: {
    /** All rows were compared as they were here. */
    snapshot: string;
    /** From here on the source took no writes. */
    freeze: string;
    /** Rows that changed between the two, by their keys, and were compared in the freeze; and all rows of the tables that could not be followed. */
    changedRows: number;
    tables: string[];
    /** From the freeze to the switch. */
    frozenSeconds: number;
    /** Whether `tables` and `rows` are those of the freeze, read in the old database after the switch. If not, they are those of the snapshot. */
    counted: boolean;
  } | null;
  /** The programs that did it, with their versions. */
  tools?: string[];
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

  /**
   * @param settings where from, where to and how; nothing of it is a secret
   * @param active the database that the stack takes for the one in use
   */
  constructor(name: string, settings: Settings, active: Side, options?: pulumi.ComponentResourceOptions) {
    super("naytife:postgres:Migration", name, {}, options);
    const command = new local.Command(
      // Another resource for the other side: when that turns the engine is asked anew, with the settings of now, before applications are told.
      active === "target" ? `${name}-engine` : `${name}-engine-source`,
      {
        create: engineProgram,
        update: engineProgram,
        dir: path.join(__dirname, ".."),
        environment: { [settingsVariable]: JSON.stringify(settings), [activeVariable]: active },
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
