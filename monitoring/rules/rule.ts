import type { MonitoringSettings } from "../settings";

/**
 * page: somebody is woken, since the database is away, is about to be, or loses data now. ticket: somebody looks in working hours.
 */
export type Severity = "page" | "ticket";

/** A rule that speaks. */
export interface Alert {
  readonly name: string;
  readonly severity: Severity;
  readonly expr: string;
  /** How long it must hold, a Prometheus duration. With scrape, cache, evaluation and Alertmanager's grouping (some 100 s), at most 2m for a page. */
  readonly for: string;
  /** How long it still speaks after that: where the fault shows for a moment only. */
  readonly keepFiringFor?: string;
  /** What is wrong, in a line. Prometheus template, as the following two. */
  readonly summary: string;
  /** What is lost, or will be. */
  readonly atStake: string;
  /** The first command to run. */
  readonly firstCommand: string;
}

/** A rule that computes a series for others. */
export interface Recording {
  /** `naytife_postgres:<what>:<how>` */
  readonly record: string;
  readonly expr: string;
}

/** Rules that are evaluated one after the other: a recording before those that use it. */
export interface Group {
  readonly name: string;
  /** How often, a Prometheus duration; 15s unless told. Longer than two minutes would leave gaps in what it records. */
  readonly interval?: string;
  readonly recordings: readonly Recording[];
  readonly alerts: readonly Alert[];
}

/** A group as Prometheus reads it. */
export interface RenderedGroup {
  readonly name: string;
  readonly interval: string;
  readonly rules: readonly (RenderedAlert | RenderedRecording)[];
}

interface RenderedRecording {
  readonly record: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
}

interface RenderedAlert {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  readonly keep_firing_for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: AlertAnnotations;
}

/** What a person reads when an alert fires. */
export interface AlertAnnotations {
  readonly summary: string;
  readonly description: string;
  readonly runbook_url: string;
}

/** How often rules are evaluated. More often than targets are scraped would tell nothing new. */
const evaluationInterval = "15s";

export function annotations(alert: Alert, runbooks: string): AlertAnnotations {
  return {
    summary: alert.summary,
    description: `${alert.atStake} First: ${alert.firstCommand}`,
    runbook_url: `${runbooks}/${alert.name}.md`,
  };
}

/** Labels of everything that the rules make: several stacks may share one Prometheus. */
export function where({ watched }: MonitoringSettings): { readonly namespace: string; readonly service: string } {
  return { namespace: watched.namespace, service: watched.cluster };
}

/** A series that a recording rule of this stack makes. */
export function recorded(settings: MonitoringSettings, record: string): string {
  const matchers = Object.entries(where(settings)).map(([label, value]) => `${label}="${value}"`);
  return `${record}{${matchers.join(",")}}`;
}

export function renderGroup(
  { name, interval = evaluationInterval, recordings, alerts }: Group,
  settings: MonitoringSettings,
): RenderedGroup {
  return {
    name,
    interval,
    rules: [
      ...recordings.map(({ record, expr }) => ({ record, expr: oneLine(expr), labels: where(settings) })),
      ...alerts.map((alert) => ({
        alert: alert.name,
        expr: oneLine(alert.expr),
        for: alert.for,
        ...(alert.keepFiringFor === undefined ? {} : { keep_firing_for: alert.keepFiringFor }),
        labels: { severity: alert.severity, ...where(settings) },
        annotations: annotations(alert, settings.runbooks),
      })),
    ],
  };
}

/** Expressions are broken over lines here, to be read; a series' name and labels hold no line break. */
export function oneLine(expr: string): string {
  return expr.trim().replace(/\s*\n\s*/g, " ");
}

/** Label matchers of what is watched. Pods of other clusters in the namespace (a drill, a recovery) do not match. */
export function selectors({ watched }: MonitoringSettings) {
  const { namespace, cluster, pooler, operatorNamespace, podMonitors } = watched;
  return {
    /** Of the exporter of each instance. The operator numbers pods: naytife-postgres-1. */
    instance: `namespace="${namespace}",pod=~"${cluster}-[0-9]+"`,
    /** Of the exporter of each pooler pod. */
    pooler: `namespace="${namespace}",pod=~"${pooler}-.+"`,
    /** The application's pools: PgBouncer lists its own console as one, too. */
    pool: `namespace="${namespace}",pod=~"${pooler}-.+",database!="pgbouncer"`,
    operator: `namespace="${operatorNamespace}",job="${namespace}/${podMonitors.operator}"`,
    plugin: `namespace="${operatorNamespace}",job="${namespace}/${podMonitors.plugin}"`,
    volume: `namespace="${namespace}",persistentvolumeclaim=~"${cluster}-[0-9]+(-wal)?"`,
    migration: `namespace="${namespace}",job_name="${watched.migrationJob}"`,
    sourceWatch: `namespace="${namespace}",job_name=~"${watched.sourceWatch ?? ""}-[0-9]+"`,
    drill: `namespace="${namespace}",cronjob="${watched.drillCronJob ?? ""}"`,
    certificate: `secret_namespace="${namespace}",secret_name=~"${cluster}-.+"`,
  } as const;
}

/** `kubectl -n <namespace of the database>`, for the first command. */
export function kubectl({ watched }: MonitoringSettings): string {
  return `kubectl -n ${watched.namespace}`;
}

/** A shell in the primary's PostgreSQL, for the first command. */
export function psql(settings: MonitoringSettings): string {
  return `${kubectl(settings)} exec -it svc/${settings.watched.cluster}-rw -c postgres -- psql`;
}
