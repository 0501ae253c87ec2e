import type { Status as MigrationStatus } from "../migration/commands/status";
import type { DrillReport } from "../drill/report";

/** What was learned, or why it could not be. One question that fails leaves the answers to the others. */
export type Answer<Value> = { readonly value: Value } | { readonly problem: string };

/** What the cluster, its server and its surroundings said at one moment. Where a value is undefined there is no such thing. */
export interface Facts {
  readonly cluster: Answer<ClusterFacts | undefined>;
  readonly instances: Answer<readonly InstancePod[]>;
  readonly server: Answer<ServerFacts>;
  readonly pooler: Answer<PoolerFacts | undefined>;
  /** undefined: the stack has no backups. */
  readonly backups: Answer<BackupFacts> | undefined;
  /** undefined: the stack has no drills. */
  readonly drill: Answer<DrillFacts> | undefined;
  /** undefined: the stack does not say where Prometheus is. */
  readonly alerts: Answer<AlertFacts> | undefined;
  readonly migration: Answer<MigrationStatus>;
}

/** Of the Cluster object. */
export interface ClusterFacts {
  /** As its spec asks for. */
  readonly instances: number;
  /** Replicas that must confirm a commit, as its spec asks for. */
  readonly synchronousReplicas: number;
  readonly phase: string;
  readonly currentPrimary: string | undefined;
  readonly targetPrimary: string | undefined;
  /** Instances that somebody stopped on purpose; "*" is all of them. */
  readonly fenced: readonly string[];
  /** What the operator says where archiving does not work. */
  readonly archivingFault: string | undefined;
}

/** The pod of an instance. */
export interface InstancePod {
  readonly name: string;
  readonly node: string;
  readonly ready: boolean;
  readonly restarts: number;
}

/** What the primary's server says. */
export interface ServerFacts {
  readonly timeline: number;
  readonly connections: number;
  /** That ordinary clients may have: max_connections without those kept for superusers. */
  readonly connectionLimit: number;
  readonly replicas: readonly Replica[];
  readonly archiver: {
    /** WAL files that are finished and not archived. */
    readonly waiting: number;
    /** Seconds for which the oldest of them has waited; null: none does. */
    readonly waited: number | null;
    /** Seconds; null: never. */
    readonly sinceArchived: number | null;
    readonly sinceFailed: number | null;
  };
}

/** A standby as the primary sees it. */
export interface Replica {
  readonly name: string;
  readonly state: string;
  /** sync, quorum, potential or async. */
  readonly sync: string;
  /** WAL that it has yet to replay; null: it has said nothing yet. */
  readonly bytes: number | null;
  /** Between a write on the primary and its being visible; null: it has nothing to replay. */
  readonly seconds: number | null;
}

export interface PoolerFacts {
  readonly instances: number;
  readonly ready: number;
  /** Somebody holds its clients. */
  readonly paused: boolean;
}

/** Times are ISO 8601. */
export interface BackupFacts {
  readonly lastGood: string | undefined;
  readonly lastFailed: string | undefined;
  /** Why the latest that failed did, in the operator's words. */
  readonly failure: string | undefined;
  readonly firstRecoverable: string | undefined;
  /** One is being made. */
  readonly running: boolean;
}

export interface DrillFacts {
  /** undefined: none has ended yet. */
  readonly report: DrillReport | undefined;
  /** Why the report cannot be believed. */
  readonly fault: string | undefined;
  readonly running: boolean;
}

/** What Prometheus says of this stack's alerts. */
export interface AlertFacts {
  /** How many alerts it has rules for. */
  readonly rules: number;
  /** Rules that it could not evaluate. */
  readonly broken: readonly string[];
  readonly firing: readonly FiringAlert[];
}

export interface FiringAlert {
  readonly name: string;
  readonly severity: string;
  readonly summary: string;
  readonly runbook: string;
  /** ISO 8601, since when its condition holds. */
  readonly since: string;
}
