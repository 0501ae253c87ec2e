import { metrics, type MetricName, type Source } from "../metrics";
import { quiet, type Case } from "./case";
import { example, series } from "./example";
import { watchedMetrics } from "./missing";
import { groups } from "./rules";

const alert = "PostgreSQLMetricsMissing";

/** One series of a metric, as its source sends it. */
function one(name: MetricName): string {
  const of: Record<Source, (metric: string) => string> = {
    instance: (metric) => series.instance(metric, 1),
    backup: (metric) => series.instance(metric, 1),
    pooler: (metric) => series.pooler(metric, "a"),
    operator: (metric) => series.operator(metric),
    plugin: (metric) => series.plugin(metric),
    prometheus: (metric) => metric,
    kubelet: (metric) => series.volume(metric),
    "kube-state-metrics": (metric) => series.cronJob(metric),
    "x509-certificate-exporter": (metric) => series.certificate(metric),
  };
  return of[metrics[name].source](name);
}

const watched = watchedMetrics(example, groups(example)).map(({ name }) => name);
const all = (samples: string): Record<string, string> =>
  Object.fromEntries(watched.map((name) => [one(name), samples]));

export const missingCases: readonly Case[] = [
  { alert, story: "all are there", series: all("1x30"), expect: [quiet("20m")] },
  {
    alert,
    story: "all go, and come back",
    series: all("1x2 stale _x15 1x10"),
    expect: [quiet("10m"), { at: "15m", firing: watched.map((metric) => ({ labels: { metric } })) }, quiet("20m")],
  },
  ...watched.map((metric) => ({
    alert,
    story: `${metric} alone is missing`,
    series: { ...all("1x20"), [one(metric)]: "1x2 stale" },
    expect: [{ at: "15m", firing: [{ labels: { metric } }] }],
  })),
];
