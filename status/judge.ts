import { exitCode as drillExitCode } from "../drill/report";
import type { Status as MigrationStatus } from "../migration/commands/status";
import { humanBytes, humanSeconds } from "../migration/engine/events";
import { kubectl } from "../monitoring/rules/rule";
import type { AlertFacts, Answer, BackupFacts, ClusterFacts, DrillFacts, Facts, Replica } from "./facts";
import type { StatusSettings } from "./settings";

/** attention: somebody looks in working hours. unhealthy: the database is away, is about to be, or loses data now. */
export type Health = "healthy" | "attention" | "unhealthy";

/** A script can go by it. */
export const exitCodes: Readonly<Record<Health, number>> = { healthy: 0, attention: 1, unhealthy: 2 };

/** One thing that is looked at. */
export interface Line {
  readonly what: string;
  readonly health: Health;
  readonly words: string;
  readonly details?: readonly string[];
  /** What needs doing. */
  readonly next?: string;
}

/** The answer of `status`; with --json it is printed as it is, with the facts beside it. */
export interface Status {
  /** That of the worst line. */
  readonly health: Health;
  /** ISO 8601. */
  readonly checked: string;
  readonly cluster: string;
  readonly namespace: string;
  readonly lines: readonly Line[];
}

/** What the facts mean. @param now milliseconds since 1970 */
export function judge(facts: Facts, settings: StatusSettings, now: number): Status {
  const { watched } = settings.monitoring;
  const lines = [
    instances(facts, settings),
    synchronous(facts, settings),
    pooler(facts, settings),
    connections(facts, settings),
    archiving(facts, settings),
    ...backups(facts.backups, settings, now),
    drill(facts.drill, settings, now),
    alerts(facts.alerts, settings),
    migration(facts.migration, settings, now),
  ].filter((line) => line !== undefined);
  const worst = (["unhealthy", "attention"] as const).find((health) => lines.some((line) => line.health === health));
  return {
    health: worst ?? "healthy",
    checked: new Date(now).toISOString(),
    cluster: watched.cluster,
    namespace: watched.namespace,
    lines,
  };
}

function instances({ cluster, instances: pods, server }: Facts, settings: StatusSettings): Line {
  const { watched } = settings.monitoring;
  const what = "instances";
  const unhealthy = (words: string, next: string, details: readonly string[] = []): Line => ({
    what,
    health: "unhealthy",
    words,
    details,
    next,
  });
  const look = `${kubectl(settings.monitoring)} describe cluster.postgresql.cnpg.io ${watched.cluster}`;
  if ("problem" in cluster) return unhealthy(`the Cluster cannot be read: ${cluster.problem}`, look);
  if (cluster.value === undefined) {
    return unhealthy(
      `there is no Cluster ${watched.cluster}`,
      "`pulumi up` makes a new one; one that was lost comes back by `npm run recover` (docs/recovery.md)",
    );
  }
  if ("problem" in pods) return unhealthy(`its pods cannot be listed: ${pods.problem}`, look);
  const { currentPrimary, targetPrimary, phase, fenced, instances: wanted } = cluster.value;
  const ready = pods.value.filter((pod) => pod.ready).length;
  const replicas = "value" in server ? server.value.replicas : undefined;
  const details = pods.value.map((pod) =>
    [
      pod.name.padEnd(watched.cluster.length + 4),
      (pod.name === currentPrimary ? "primary" : "replica").padEnd(8),
      pod.node,
      pod.ready ? "" : "NOT READY",
      isFenced(pod.name, fenced) ? "FENCED" : "",
      pod.name === currentPrimary ? "" : replicaWords(replicas, pod.name),
      pod.restarts > 0 ? `restarted ${pod.restarts} times` : "",
    ]
      .filter((word) => word !== "")
      .join("  "),
  );
  const words = [
    `${ready} of ${wanted} ready`,
    ...("value" in server ? [`timeline ${server.value.timeline}`] : []),
    ...(phase === "Cluster in healthy state" ? [] : [phase]),
  ].join(", ");
  if ("problem" in server) {
    return unhealthy(`${words}; no primary answers: ${server.problem}`, runbook("PostgreSQLPrimaryDown", settings), [
      ...details,
    ]);
  }
  const attention = (why: string, next: string): Line => ({
    what,
    health: "attention",
    words: `${words}${why}`,
    details,
    next,
  });
  if (currentPrimary !== targetPrimary) {
    return attention(`; ${targetPrimary ?? "another instance"} is about to become the primary`, look);
  }
  if (fenced.length > 0) return attention("", runbook("PostgreSQLInstanceFenced", settings));
  if (ready < wanted) return attention("", runbook("PostgreSQLInstanceDown", settings));
  const names = pods.value.map(({ name }) => name).filter((name) => name !== currentPrimary);
  if (names.some((name) => replicas?.find((replica) => replica.name === name)?.state !== "streaming")) {
    return attention("", runbook("PostgreSQLReplicaNotStreaming", settings));
  }
  const limit = settings.monitoring.thresholds.replicationLagSeconds;
  if (server.value.replicas.some(({ seconds }) => (seconds ?? 0) > limit)) {
    return attention("", runbook("PostgreSQLReplicationLag", settings));
  }
  if (wanted < watched.instances) {
    return attention(
      `; the stack asks for ${watched.instances}`,
      "It grows in the `pulumi up` that migrates (migrationEnabled); where there is nothing to migrate, in the next `pulumi up`",
    );
  }
  return { what, health: "healthy", words, details };
}

function isFenced(name: string, fenced: readonly string[]): boolean {
  return fenced.includes("*") || fenced.includes(name);
}

function replicaWords(replicas: readonly Replica[] | undefined, name: string): string {
  if (replicas === undefined) return "";
  const replica = replicas.find((one) => one.name === name);
  if (replica === undefined) return "NOT STREAMING";
  const { state, sync, bytes, seconds } = replica;
  const behind = bytes === null ? "" : `  ${humanBytes(bytes)} behind`;
  return `${sync}${state === "streaming" ? "" : `, ${state}`}${behind}${seconds === null ? "" : ` (${seconds.toFixed(1)} s)`}`;
}

/** A cluster of one instance has nobody to confirm anything. */
function synchronous({ cluster, server }: Facts, settings: StatusSettings): Line | undefined {
  const wanted = "value" in cluster ? (cluster.value?.synchronousReplicas ?? 0) : 0;
  if (wanted === 0 || "problem" in server) return undefined;
  const confirming = server.value.replicas.filter(({ sync }) => sync === "sync" || sync === "quorum").length;
  const words = `${wanted} of ${confirming} candidates must confirm a commit`;
  if (confirming >= wanted) return { what: "synchronous", health: "healthy", words };
  const required = settings.monitoring.watched.dataDurability === "required";
  return {
    what: "synchronous",
    health: required ? "unhealthy" : "attention",
    words: `${confirming} replicas can confirm a commit, ${wanted} must: ${required ? "every commit waits" : "commits are on the primary alone"}`,
    next: runbook("PostgreSQLSynchronousReplicaMissing", settings),
  };
}

function pooler({ pooler: asked }: Facts, settings: StatusSettings): Line {
  const what = "pooler";
  if ("problem" in asked) return { what, health: "attention", words: `cannot be read: ${asked.problem}` };
  if (asked.value === undefined) {
    return { what, health: "unhealthy", words: "there is none", next: "`pulumi up` makes it" };
  }
  const { instances: wanted, ready, paused } = asked.value;
  const words = `${ready} of ${wanted} ready`;
  if (paused) {
    return {
      what,
      health: "unhealthy",
      words: `${words}, PAUSED: its clients wait`,
      next: `${runbook("PostgreSQLPoolerStuck", settings)}; a migration that switches pauses it for some seconds, too`,
    };
  }
  if (ready === 0) return { what, health: "unhealthy", words, next: runbook("PostgreSQLPoolerDown", settings) };
  if (ready < wanted) return { what, health: "attention", words, next: runbook("PostgreSQLPoolerDegraded", settings) };
  return { what, health: "healthy", words };
}

function connections({ server }: Facts, settings: StatusSettings): Line | undefined {
  if ("problem" in server) return undefined;
  const { connections: used, connectionLimit } = server.value;
  const { connectionsPercent, connectionsCriticalPercent } = settings.monitoring.thresholds;
  const percent = (100 * used) / connectionLimit;
  const line = { what: "connections", words: `${used} of ${connectionLimit}` };
  if (percent > connectionsCriticalPercent) {
    return { ...line, health: "unhealthy", next: runbook("PostgreSQLConnectionsExhausted", settings) };
  }
  if (percent > connectionsPercent) {
    return { ...line, health: "attention", next: runbook("PostgreSQLConnectionsHigh", settings) };
  }
  return { ...line, health: "healthy" };
}

/** Whether what is committed reaches the store. */
function archiving({ backups: asked, cluster, server }: Facts, settings: StatusSettings): Line | undefined {
  if (asked === undefined || "problem" in server) return undefined;
  const { waiting, waited, sinceArchived, sinceFailed } = server.value.archiver;
  const { walArchiveAgeSeconds, walBacklogSegments } = settings.monitoring.thresholds;
  const what = "archiving";
  const files = waiting === 1 ? "1 WAL file waits" : `${waiting} WAL files wait`;
  const words = `${waiting === 0 ? "nothing waits" : files}, the last was archived ${ago(sinceArchived)}`;
  if (sinceFailed !== null && sinceFailed < (sinceArchived ?? Infinity)) {
    const fault = faultOf(cluster);
    return {
      what,
      health: "unhealthy",
      words: `FAILS${fault === undefined ? "" : ` (${fault})`}; ${words}`,
      next: runbook("PostgreSQLWalArchivingFailing", settings),
    };
  }
  // The last one may have been archived long ago, while nobody wrote.
  if (Math.min(waited ?? 0, sinceArchived ?? Infinity) > walArchiveAgeSeconds) {
    return { what, health: "unhealthy", words, next: runbook("PostgreSQLWalArchivingStalled", settings) };
  }
  if (waiting > walBacklogSegments) {
    return { what, health: "attention", words, next: runbook("PostgreSQLWalBacklog", settings) };
  }
  return { what, health: "healthy", words };
}

function faultOf(cluster: Answer<ClusterFacts | undefined>): string | undefined {
  return "value" in cluster ? cluster.value?.archivingFault : undefined;
}

function backups(asked: Answer<BackupFacts> | undefined, settings: StatusSettings, now: number): Line[] {
  const what = "backup";
  if (asked === undefined) {
    return [{ what, health: "healthy", words: "none: the stack has no backups (backupStore is none)" }];
  }
  if ("problem" in asked) return [{ what, health: "attention", words: `cannot be read: ${asked.problem}` }];
  const { lastGood, lastFailed, failure, firstRecoverable, running } = asked.value;
  const under = running ? "; one is being made" : "";
  if (lastGood === undefined) {
    const failed = lastFailed === undefined ? "" : `, and one failed${failure === undefined ? "" : `: ${failure}`}`;
    const next = running && failed === "" ? "Wait for it" : runbook("PostgreSQLBackupNeverMade", settings);
    return [
      { what, health: "attention", words: `there is none yet${failed}${under}`, next },
      { what: "recoverable", health: "attention", words: "nothing: WAL without a base backup restores nothing" },
    ];
  }
  const age = secondsSince(lastGood, now);
  const words = `the last ended ${ago(age)} (${lastGood})${under}`;
  const window: Line = {
    what: "recoverable",
    health: "healthy",
    words: `from ${firstRecoverable ?? lastGood} to the last WAL archived; exactly: npm run recover -- window`,
  };
  if (lastFailed !== undefined && Date.parse(lastFailed) > Date.parse(lastGood)) {
    const why = failure === undefined ? "" : `: ${failure}`;
    const next = runbook("PostgreSQLBackupFailed", settings);
    return [
      { what, health: "attention", words: `the last one FAILED${why}; the last good one ended ${ago(age)}`, next },
      window,
    ];
  }
  if (age > settings.monitoring.thresholds.backupAgeHours * 3600) {
    return [{ what, health: "attention", words, next: runbook("PostgreSQLBackupStale", settings) }, window];
  }
  return [{ what, health: "healthy", words }, window];
}

function drill(asked: Answer<DrillFacts> | undefined, settings: StatusSettings, now: number): Line | undefined {
  const what = "drill";
  if (asked === undefined) return undefined;
  if ("problem" in asked) return { what, health: "attention", words: `cannot be read: ${asked.problem}` };
  const { report, fault, running } = asked.value;
  const under = running ? "; one is under way" : "";
  if (report === undefined) {
    const next = running ? "Wait for it" : "npm run drill";
    return {
      what,
      health: "attention",
      words: `none has ended yet: nobody knows that the backups restore${under}`,
      next,
    };
  }
  if (fault !== undefined) {
    return { what, health: "attention", words: `its report is not what it wrote: ${fault}`, next: "npm run drill" };
  }
  const age = secondsSince(report.finished, now);
  if (!report.passed) {
    const words = `FAILED ${ago(age)}: ${report.reason ?? "it does not say why"}${under}`;
    return { what, health: "attention", words, next: runbook("PostgreSQLDrillFailed", settings) };
  }
  const { recoveryTime, recoveryPoint } = report;
  const measured = [
    ...(recoveryTime?.seconds == null ? [] : [`back after ${humanSeconds(recoveryTime.seconds)}`]),
    ...(recoveryPoint?.seconds == null ? [] : [`${humanSeconds(recoveryPoint.seconds)} would be lost`]),
  ].join(", ");
  const words = `passed ${ago(age)}${measured === "" ? "" : `: ${measured}`}${under}`;
  if (age > settings.monitoring.thresholds.drillAgeDays * 86_400) {
    return { what, health: "attention", words, next: runbook("PostgreSQLDrillStale", settings) };
  }
  if (drillExitCode(report) !== 0) {
    const next = "A promise (drillRecoveryTime, backupRecoveryPoint) was not held: docs/recovery.md";
    return { what, health: "attention", words, next };
  }
  return { what, health: "healthy", words };
}

function alerts(asked: Answer<AlertFacts> | undefined, settings: StatusSettings): Line {
  const what = "alerts";
  if (!settings.monitoringEnabled) {
    return {
      what,
      health: "healthy",
      words: "none: monitoringEnabled is false, so nobody is told when something fails",
    };
  }
  if (asked === undefined) {
    return { what, health: "healthy", words: "not asked: monitoringPrometheus does not say where Prometheus is" };
  }
  if ("problem" in asked) {
    const next = "Check monitoringPrometheus (<namespace>/<service>:<port>), and that Prometheus runs";
    return { what, health: "attention", words: `Prometheus does not answer: ${asked.problem}`, next };
  }
  const { rules, broken, firing } = asked.value;
  if (rules === 0) {
    const words = "Prometheus has none of this stack's rules: nothing can fire";
    return { what, health: "attention", words, next: "Check monitoringLabels against the ruleSelector of Prometheus" };
  }
  const details = firing.map(
    ({ name, severity, summary, since }) => `${severity.padEnd(6)}  ${name}  since ${since.slice(0, 19)}Z  ${summary}`,
  );
  const page = firing.find(({ severity }) => severity === "page");
  const first = page ?? firing[0];
  if (first !== undefined) {
    const health = page === undefined ? "attention" : "unhealthy";
    const next = [...new Set(firing.map(({ runbook: file }) => file))].join(", ");
    return { what, health, words: `${firing.length} of ${rules} fire`, details, next };
  }
  if (broken.length > 0) {
    const words = `${broken.length} of ${rules} cannot be evaluated: ${broken.join(", ")}`;
    return { what, health: "attention", words, next: "Prometheus says why, below Status, Rules" };
  }
  return { what, health: "healthy", words: `none of ${rules} fires` };
}

function migration(asked: Answer<MigrationStatus>, settings: StatusSettings, now: number): Line {
  const what = "migration";
  if ("problem" in asked) {
    // What has no primary is said above.
    return { what, health: "healthy", words: `not known: ${asked.problem}` };
  }
  const { state, phase, since, progress, why, source, alias, job, retainedUntil, rows } = asked.value;
  const details = "npm run migration -- status";
  if (alias?.held === true && job?.active !== true) {
    const next = "Run `pulumi up` again, now: nothing runs that would let them go on";
    return { what, health: "unhealthy", words: "applications are held at the old name", next };
  }
  switch (state) {
    case "not begun":
      return settings.migrationEnabled
        ? { what, health: "attention", words: "not begun", next: "`pulumi up` moves the data" }
        : { what, health: "healthy", words: "none" };
    case "running":
      return { what, health: "healthy", words: `running: ${progress ?? phase ?? ""}; ${details}` };
    case "stopped": {
      const shut = source === "open" ? "" : `; the old database is ${source} and takes no writes`;
      return {
        what,
        health: source === "open" ? "attention" : "unhealthy",
        words: `stopped in ${phase ?? "its beginning"}: ${why?.text ?? "it does not say why"}${shut}`,
        next: why?.next ?? details,
      };
    }
    case "rolled back": {
      const next = "`npm run migration -- again`, then `pulumi up`, moves the data once more";
      return { what, health: "attention", words: `rolled back at ${since ?? ""}: the old database is in use`, next };
    }
    case "done": {
      if (why !== undefined) return { what, health: "unhealthy", words: why.text, next: why.next };
      const words = `done at ${since ?? ""}${rows === undefined ? "" : `, ${rows} rows`}`;
      if (retainedUntil === undefined) return { what, health: "healthy", words };
      return Date.parse(retainedUntil) > now
        ? { what, health: "healthy", words: `${words}; the way back is kept until ${retainedUntil}` }
        : {
            what,
            health: "attention",
            words: `${words}; the way back is still kept`,
            next: "npm run migration -- finish",
          };
    }
  }
}

function runbook(alert: string, { monitoring }: StatusSettings): string {
  return `${monitoring.runbooks}/${alert}.md`;
}

function secondsSince(time: string, now: number): number {
  return Math.max(0, (now - Date.parse(time)) / 1000);
}

/** @param seconds null: never */
function ago(seconds: number | null): string {
  if (seconds === null) return "never";
  if (seconds < 2 * 86_400) return `${humanSeconds(seconds)} ago`;
  return `${Math.floor(seconds / 86_400)} days ago`;
}
