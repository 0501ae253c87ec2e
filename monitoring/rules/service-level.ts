import type { MonitoringSettings } from "../settings";
import { kubectl, psql, recorded, selectors, type Group, type Recording } from "./rule";

/** Over which spans the unavailable share is computed. Those of days from a shorter one: else each evaluation would read days of samples. */
const windows = {
  "5m": undefined,
  "30m": undefined,
  "1h": undefined,
  "2h": undefined,
  "6h": undefined,
  "1d": "5m",
  "3d": "5m",
  "30d": "1h",
} as const;
type Window = keyof typeof windows;
/** How finely a window is looked at, a minute unless told: as often as it is evaluated where it is short. */
const stepOf: Readonly<Partial<Record<Window, string>>> = { "5m": "15s", "30m": "15s", "1h": "15s" };
const hours: readonly Window[] = ["5m", "30m", "1h", "2h", "6h"];
const days: readonly Window[] = ["1d", "3d", "30d"];

/** 1 while the database serves, 0 while it does not. */
export const available = "naytife_postgres:available";
/** Share of a span in which it did not serve. */
export function unavailable(window: Window): string {
  return `naytife_postgres:unavailable:ratio_${window}`;
}
/** Share of statements, by calls, whose mean over five minutes was within the objective. */
export const withinObjective = "naytife_postgres:calls_within_objective:ratio5m";

/**
 * The promises: availability (99.9 % unless configured), and 95 % of queries within 100 ms.
 *
 * Availability is inferred, not probed: a primary answers its exporter's SQL, and no client waits longer at the pooler than is borne. An application that
 * cannot reach the pooler for a reason of its own is not seen. The exporter's cache makes each interruption look up to half a minute longer, so a
 * switchover counts as some 60 s. Hence the burn rates: the usual 14.4 over an hour would page for one planned switchover (52 s of 99.9 %); 36
 * needs 130 s in an hour, and 12 needs 260 s in six.
 *
 * A 95th percentile of single queries can be had from nothing here: PgBouncer and pg_stat_statements keep sums. What can be had is the mean of each statement over
 * five minutes, and how many calls belong to statements whose mean is within 100 ms. A statement that is mostly fast and seldom slow hides in its mean.
 */
export function serviceLevel(settings: MonitoringSettings): Group {
  const { thresholds } = settings;
  const { instance, pooler } = selectors(settings);
  const burns = burning(settings);
  const objective = thresholds.queryMilliseconds / 1000;
  const statementsOf = (metric: string): string => `sum by (queryid) (rate(${metric}{${instance}}[5m]))`;
  const callRate = "naytife_postgres:statement_calls:rate5m";
  const meanSeconds = "naytife_postgres:statement_seconds:mean5m";
  const calls = recorded(settings, callRate);
  const mean = recorded(settings, meanSeconds);
  return {
    name: "naytife-postgres-service-level",
    recordings: [
      {
        record: available,
        expr: `
          (count(cnpg_pg_replication_in_recovery{${instance}} == 0) > bool 0 or vector(0))
          * (max(cnpg_pgbouncer_pools_maxwait{${pooler}}) <= bool ${thresholds.poolerWaitSeconds} or vector(0))`,
      },
      ...recordings(hours, settings),
      { record: callRate, expr: statementsOf("cnpg_naytife_statements_calls") },
      {
        record: meanSeconds,
        expr: `${statementsOf("cnpg_naytife_statements_exec_seconds")} / on (queryid) (${calls} > 0)`,
      },
      {
        record: withinObjective,
        expr: `
          (sum(${calls} and on (queryid) ${mean} <= ${objective}) or 0 * sum(${calls}))
          / (sum(${calls}) > 0)`,
      },
    ],
    alerts: [
      {
        name: "PostgreSQLErrorBudgetBurning",
        severity: "page",
        expr: `(${burns("1h", 36)} and ${burns("5m", 36)}) or (${burns("6h", 12)} and ${burns("30m", 12)})`,
        for: "0s",
        summary: "The database was away for {{ $value | humanizePercentage }} of the last hours.",
        atStake: `A month's budget of ${thresholds.availabilityPercent} % is gone within a day or two if this goes on. Interruptions too short for other alerts add up to it.`,
        firstCommand: `${kubectl(settings)} get events --sort-by=.lastTimestamp | tail -40`,
      },
      {
        name: "PostgreSQLQueriesSlow",
        severity: "ticket",
        expr: `${recorded(settings, withinObjective)} < 0.95`,
        for: "15m",
        summary: `{{ $value | humanizePercentage }} of the calls are of statements that take less than ${thresholds.queryMilliseconds} ms on average.`,
        atStake: "The promise is 95 %. Customers wait.",
        firstCommand: `${psql(settings)} -c "SELECT queryid, calls, round(mean_exec_time) AS mean_ms, left(query, 80) FROM pg_stat_statements ORDER BY total_exec_time DESC LIMIT 20"`,
      },
    ],
  };
}

/** The same over days. They move slowly, and are computed seldom. */
export function serviceLevelOfDays(settings: MonitoringSettings): Group {
  const burns = burning(settings);
  return {
    name: "naytife-postgres-service-level-days",
    interval: "2m",
    recordings: recordings(days, settings),
    alerts: [
      {
        name: "PostgreSQLErrorBudgetSpent",
        severity: "ticket",
        expr: `(${burns("1d", 3)} and ${burns("2h", 3)}) or (${burns("3d", 1)} and ${burns("6h", 1)})`,
        for: "0s",
        summary: "The database was away for {{ $value | humanizePercentage }} of the last days.",
        atStake: `The promised ${settings.thresholds.availabilityPercent} % will not be kept this month if this goes on.`,
        firstCommand: `${kubectl(settings)} get events --sort-by=.lastTimestamp | tail -40`,
      },
    ],
  };
}

/** Whether a span's error budget is used so many times faster than allowed. */
function burning(settings: MonitoringSettings): (window: Window, rate: number) => string {
  const budget = 1 - settings.thresholds.availabilityPercent / 100;
  return (window, rate) => `${recorded(settings, unavailable(window))} > ${Number((rate * budget).toPrecision(6))}`;
}

function recordings(of: readonly Window[], settings: MonitoringSettings): Recording[] {
  return of.map((window) => ({ record: unavailable(window), expr: shareOf(window, settings) }));
}

/**
 * Of the whole window, also where Prometheus has not watched for so long: what nobody saw counts as available. Of the few minutes of a new one, a planned
 * switchover would be a tenth.
 */
function shareOf(window: Window, settings: MonitoringSettings): string {
  const shorter = windows[window];
  const [series, otherwise, step] =
    shorter === undefined
      ? [recorded(settings, available), 1, stepOf[window] ?? "1m"]
      : [recorded(settings, unavailable(shorter)), 0, shorter];
  const average = `avg_over_time(max(${series} or on () vector(${otherwise}))[${window}:${step}])`;
  return shorter === undefined ? `1 - ${average}` : average;
}
