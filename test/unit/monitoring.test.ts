import * as kubernetes from "@pulumi/kubernetes";
import { Monitoring, MonitoringTargets, podMonitors } from "../../components/monitoring";
import { dashboardJson } from "../../monitoring/dashboards/dashboard";
import { example } from "../../monitoring/rules/example";
import { record } from "../recording";

const podMonitorType = "kubernetes:monitoring.coreos.com/v1:PodMonitor";
const ruleType = "kubernetes:monitoring.coreos.com/v1:PrometheusRule";
const configMapType = "kubernetes:core/v1:ConfigMap";
const labels = { release: "kube-prometheus-stack" };
const provider = (): kubernetes.Provider => new kubernetes.Provider("kubernetes", {});

test("each kind of pod is a target, found by the labels of the Prometheus in charge", async () => {
  const recording = await record(
    () =>
      new MonitoringTargets(
        "targets",
        { namespace: "naytife-production", settings: example, scrapeSeconds: 15, labels },
        { provider: provider() },
      ),
  );
  expect(recording.ofType(podMonitorType)).toHaveLength(4);
  for (const target of ["instances", "pooler", "operator", "plugin"]) {
    expect(recording.get(podMonitorType, `targets-${target}`).inputs).toMatchObject({
      metadata: { name: `naytife-postgres-${target}`, namespace: "naytife-production", labels },
    });
  }
});

test("nothing comes before the PodMonitors: without their definition nothing is made", async () => {
  const recording = await record(
    () =>
      new MonitoringTargets(
        "targets",
        { namespace: "naytife-production", settings: example, scrapeSeconds: 15, labels },
        { provider: provider() },
      ),
  );
  const monitors = recording.ofType(podMonitorType).map(({ urn }) => urn);
  expect(recording.get(configMapType).dependencies).toEqual(expect.arrayContaining(monitors));
});

test("instances and pooler are scraped over TLS by a name that is in their certificate, or in clear", () => {
  const endpoint = (tls: boolean, target: "instances" | "pooler") =>
    podMonitors({ ...example, watched: { ...example.watched, tls } }, 15)[target]?.podMetricsEndpoints;
  const authority = { secret: { name: "naytife-postgres-ca", key: "ca.crt" } };
  expect(endpoint(true, "instances")).toMatchObject([
    { scheme: "https", tlsConfig: { ca: authority, serverName: "naytife-postgres-rw" } },
  ]);
  expect(endpoint(true, "pooler")).toMatchObject([
    { scheme: "https", tlsConfig: { ca: authority, serverName: "naytife-postgres-pooler" } },
  ]);
  expect(endpoint(false, "instances")?.[0]).not.toHaveProperty("tlsConfig");
});

test("the pooler's pods, which carry the cluster's label too, are no instances", () => {
  expect(podMonitors(example, 15).instances?.selector.matchLabels).toEqual({
    "cnpg.io/cluster": "naytife-postgres",
    "cnpg.io/podRole": "instance",
  });
});

test("rules go to Prometheus, and a dashboard to Grafana's sidecar", async () => {
  const recording = await record(
    () =>
      new Monitoring(
        "monitoring",
        { namespace: "naytife-production", settings: example, labels, dashboardLabels: { grafana_dashboard: "1" } },
        { provider: provider() },
      ),
  );
  expect(recording.get(ruleType).inputs).toMatchObject({
    metadata: { name: "naytife-postgres", labels },
    spec: {
      groups: expect.arrayContaining([expect.objectContaining({ name: "naytife-postgres-availability" })]) as unknown,
    },
  });
  expect(recording.get(configMapType).inputs).toMatchObject({ metadata: { labels: { grafana_dashboard: "1" } } });
  const [json = ""] = Object.values(recording.get(configMapType).inputs.data as Record<string, string>);
  const dashboard = JSON.parse(json) as {
    uid: string;
    title: string;
    panels: { id: number; type: string; title: string }[];
  };
  expect(dashboard.uid.length).toBeLessThanOrEqual(40);
  // A sidecar takes the bare dashboard; the API's wrapper {"dashboard": …} it does not.
  expect(dashboard).not.toHaveProperty("dashboard");
  expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
  // The plan's three come first, and none is of the kind that Grafana removed.
  const panels = dashboard.panels.filter(({ type }) => type !== "row");
  expect(panels.slice(0, 3).map(({ title }) => title)).toEqual(["Cluster status", "Connections", "Replication lag"]);
  expect(new Set(panels.map(({ type }) => type))).toEqual(new Set(["stat", "timeseries"]));
});

test("two stacks in one Grafana have dashboards of their own", () => {
  const uid = (namespace: string): string => {
    const settings = { ...example, watched: { ...example.watched, namespace } };
    return (JSON.parse(dashboardJson(settings)) as { uid: string }).uid;
  };
  expect(uid("naytife-staging")).not.toBe(uid("naytife-production"));
});
