import { metrics, metricsIn, type Metric, type MetricName, type Source } from "../metrics";
import type { MonitoringSettings } from "../settings";
import { selectors, type Group } from "./rule";

/**
 * An alert whose series is gone is silent. So one speaks of every series that any rule looks at and that should be there while all is well.
 * Those of Prometheus itself (`up`) are not among them: their alerts ask for absence already.
 */
export function missing(settings: MonitoringSettings, groups: readonly Group[]): Group {
  const absent = watchedMetrics(settings, groups).map(
    ({ name, selector }) => `label_replace(absent(${name}{${selector}}), "metric", "${name}", "", "")`,
  );
  return {
    name: "naytife-postgres-missing",
    recordings: [],
    alerts: [
      {
        name: "PostgreSQLMetricsMissing",
        severity: "ticket",
        expr: `max by (metric) (${absent.join(" or ")})`,
        for: "10m",
        summary: "Nobody exports {{ $labels.metric }}.",
        atStake: "Alerts that look at it cannot fire: a fault would go unseen.",
        firstCommand: `kubectl -n ${settings.watched.namespace} get podmonitors,prometheusrules`,
      },
    ],
  };
}

/** The metrics of the groups whose absence is a fault, and where each is looked for. */
export function watchedMetrics(
  settings: MonitoringSettings,
  groups: readonly Group[],
): { readonly name: MetricName; readonly selector: string }[] {
  const of = selectors(settings);
  const selectorOf: Record<Exclude<Source, "prometheus">, string> = {
    instance: of.instance,
    backup: of.instance,
    pooler: of.pooler,
    operator: of.operator,
    plugin: of.plugin,
    kubelet: of.volume,
    "kube-state-metrics": of.drill,
    "x509-certificate-exporter": of.certificate,
  };
  const used = new Set(
    groups.flatMap(({ alerts, recordings }) => [...alerts, ...recordings].flatMap(({ expr }) => metricsIn(expr))),
  );
  return (Object.keys(metrics) as MetricName[]).flatMap((name) => {
    const { source, absentWhen }: Metric = metrics[name];
    return used.has(name) && source !== "prometheus" && absentWhen === undefined
      ? [{ name, selector: selectorOf[source] }]
      : [];
  });
}
