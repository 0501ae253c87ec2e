import { spawn, type ChildProcess } from "node:child_process";
import { addImages, type EmbeddedCluster } from "../../local/kubernetes/cluster";
import {
  alertmanagerImage,
  kubeStateMetricsImage,
  monitoringRecipes,
  prometheusImage,
} from "../../local/kubernetes/images/recipes";
import { prometheusOperatorManifest } from "../../local/kubernetes/operator";
import { tool } from "../../local/toolchain/toolchain";
import { kubectl, until } from "../e2e/kubectl";
import type { Line, Span } from "./drawing";

const namespace = "monitoring";

/** Labels by which it selects PodMonitors and rules, of any namespace. */
export const selectedBy = { release: "e2e" } as const;

/** How `npm run status` is told of it. */
export const prometheusAddress = `${namespace}/prometheus-operated:9090`;

const user = { runAsNonRoot: true, runAsUser: 65534, runAsGroup: 65534, fsGroup: 65534 };
const metadata = (name: string) => ({ name, namespace });

/** What a kube-prometheus-stack brings besides: the kubelet's series of volumes. The kubelet looks at them once a minute. */
const kubelet = {
  job_name: "kubelet",
  scrape_interval: "5s",
  scheme: "https",
  authorization: { credentials_file: "/var/run/secrets/kubernetes.io/serviceaccount/token" },
  // Its certificate is signed by itself.
  tls_config: { insecure_skip_verify: true },
  kubernetes_sd_configs: [{ role: "node" }],
  metric_relabel_configs: [{ source_labels: ["__name__"], regex: "kubelet_volume_stats_.*", action: "keep" }],
};
const stateMetrics = "kube-state-metrics";
/** Its series bear the namespace of what they are about. */
const stateMetricsScrape = {
  job_name: stateMetrics,
  scrape_interval: "5s",
  honor_labels: true,
  static_configs: [{ targets: [`${stateMetrics}.${namespace}.svc:8080`] }],
};
const scrapes = { name: "scrapes", key: "scrapes.yaml" };

/** A Prometheus that may look for pods everywhere, and sends its alerts to an Alertmanager that tells nobody. Rules are evaluated as often as they say. */
const objects = [
  { apiVersion: "v1", kind: "ServiceAccount", metadata: metadata("prometheus") },
  {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRole",
    metadata: { name: "prometheus" },
    rules: [
      { apiGroups: [""], resources: ["pods", "services", "endpoints"], verbs: ["get", "list", "watch"] },
      { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["get", "list", "watch"] },
      { apiGroups: [""], resources: ["nodes"], verbs: ["get", "list", "watch"] },
      { apiGroups: [""], resources: ["nodes/metrics"], verbs: ["get"] },
    ],
  },
  {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRoleBinding",
    metadata: { name: "prometheus" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "prometheus" },
    subjects: [{ kind: "ServiceAccount", ...metadata("prometheus") }],
  },
  {
    apiVersion: "v1",
    kind: "Secret",
    metadata: metadata(scrapes.name),
    stringData: { [scrapes.key]: JSON.stringify([kubelet, stateMetricsScrape]) },
  },
  { apiVersion: "v1", kind: "ServiceAccount", metadata: metadata(stateMetrics) },
  {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRole",
    metadata: { name: stateMetrics },
    rules: [{ apiGroups: ["batch"], resources: ["jobs", "cronjobs"], verbs: ["list", "watch"] }],
  },
  {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRoleBinding",
    metadata: { name: stateMetrics },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: stateMetrics },
    subjects: [{ kind: "ServiceAccount", ...metadata(stateMetrics) }],
  },
  {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: metadata(stateMetrics),
    spec: {
      selector: { matchLabels: { app: stateMetrics } },
      template: {
        metadata: { labels: { app: stateMetrics } },
        spec: {
          serviceAccountName: stateMetrics,
          securityContext: user,
          containers: [{ name: stateMetrics, image: kubeStateMetricsImage, args: ["--resources=jobs,cronjobs"] }],
        },
      },
    },
  },
  {
    apiVersion: "v1",
    kind: "Service",
    metadata: metadata(stateMetrics),
    spec: { selector: { app: stateMetrics }, ports: [{ port: 8080 }] },
  },
  {
    apiVersion: "monitoring.coreos.com/v1",
    kind: "Prometheus",
    metadata: metadata("e2e"),
    spec: {
      version: "v2.53.3",
      image: prometheusImage,
      serviceAccountName: "prometheus",
      podMonitorSelector: { matchLabels: selectedBy },
      podMonitorNamespaceSelector: {},
      ruleSelector: { matchLabels: selectedBy },
      ruleNamespaceSelector: {},
      additionalScrapeConfigs: scrapes,
      alerting: { alertmanagers: [{ ...metadata("alertmanager-operated"), port: "web" }] },
      containers: [{ name: "prometheus", command: ["/bin/prometheus"] }],
      securityContext: user,
      resources: { requests: { cpu: "50m", memory: "64Mi" } },
    },
  },
  {
    apiVersion: "monitoring.coreos.com/v1",
    kind: "Alertmanager",
    metadata: metadata("e2e"),
    spec: {
      version: "v0.28.1",
      image: alertmanagerImage,
      replicas: 1,
      containers: [{ name: "alertmanager", command: ["/bin/alertmanager"] }],
      securityContext: user,
      resources: { requests: { cpu: "10m", memory: "32Mi" } },
    },
  },
];

/** A series of an instant query, at its latest value. */
export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

interface Target {
  readonly labels: Readonly<Record<string, string>>;
  readonly scrapePool: string;
  readonly health: string;
  readonly lastError: string;
}

/** An alert that Alertmanager has. */
export interface Received {
  readonly labels: Readonly<Record<string, string>>;
  readonly startsAt: string;
}

/** A real Prometheus and Alertmanager, made by the Prometheus Operator, in an embedded cluster. They are asked by way of the API server. */
export class Prometheus {
  private constructor(
    private readonly cluster: EmbeddedCluster,
    private readonly proxy: ChildProcess,
    private readonly base: string,
  ) {}

  /** The images of all of them; they need not be there before {@link begin}. */
  static async images(name: string): Promise<void> {
    await addImages({ name }, monitoringRecipes);
  }

  /** Installs all of them, and returns when they answer. */
  static async begin(cluster: EmbeddedCluster): Promise<Prometheus> {
    const apply = (text: string) => kubectl(cluster, ["apply", "--server-side", "-f", "-"], text);
    const space = { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } };
    await apply(`${JSON.stringify(space)}\n---\n${await prometheusOperatorManifest(namespace)}`);
    await kubectl(cluster, ["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]);
    await apply(objects.map((object) => JSON.stringify(object)).join("\n---\n"));
    const { proxy, port } = await proxyTo(cluster);
    const prometheus = new Prometheus(
      cluster,
      proxy,
      `http://127.0.0.1:${port}/api/v1/namespaces/${namespace}/services`,
    );
    await until("Prometheus and Alertmanager answer", 180, async () => {
      try {
        await Promise.all([prometheus.get("prometheus-operated:9090", "-/ready"), prometheus.received()]);
        return true;
      } catch {
        return undefined;
      }
    });
    return prometheus;
  }

  /** @throws Error with Prometheus' own words where the expression is none */
  async query(expression: string): Promise<readonly Sample[]> {
    const path = `api/v1/query?${new URLSearchParams({ query: expression }).toString()}`;
    const { data } = JSON.parse(await this.get("prometheus-operated:9090", path)) as {
      data: { result: readonly Sample[] };
    };
    return data.result;
  }

  /** The values of each series over a time. */
  async range(expression: string, { from, to, step }: Span): Promise<readonly Line[]> {
    const asked = { query: expression, start: String(from), end: String(to), step: String(step) };
    const path = `api/v1/query_range?${new URLSearchParams(asked).toString()}`;
    const { data } = JSON.parse(await this.get("prometheus-operated:9090", path)) as {
      data: { result: readonly Line[] };
    };
    return data.result;
  }

  async targets(): Promise<readonly Target[]> {
    const text = await this.get("prometheus-operated:9090", "api/v1/targets?state=active");
    return (JSON.parse(text) as { data: { activeTargets: readonly Target[] } }).data.activeTargets;
  }

  /** Names of the groups of rules that it has loaded. */
  async groups(): Promise<readonly string[]> {
    const text = await this.get("prometheus-operated:9090", "api/v1/rules");
    return (JSON.parse(text) as { data: { groups: { name: string }[] } }).data.groups.map((group) => group.name);
  }

  /** A kubelet looks for changed ConfigMaps once a minute, and at once where the pod changes. */
  async hurry(): Promise<void> {
    const change = `hurry=${Date.now()}`;
    await kubectl(this.cluster, ["-n", namespace, "annotate", "--overwrite", "pod/prometheus-e2e-0", change]);
  }

  /** What fires, as Alertmanager knows it. */
  async received(): Promise<readonly Received[]> {
    return JSON.parse(await this.get("alertmanager-operated:9093", "api/v2/alerts?active=true")) as Received[];
  }

  end(): void {
    this.proxy.kill();
  }

  private async get(service: string, path: string): Promise<string> {
    const response = await fetch(`${this.base}/${service}/proxy/${path}`, { signal: AbortSignal.timeout(15_000) });
    const text = await response.text();
    if (!response.ok) throw new Error(`${service}, ${decodeURIComponent(path)}: ${response.status} ${text}`);
    return text;
  }
}

/** Kubernetes' API without credentials, on this machine's own address. */
async function proxyTo(cluster: EmbeddedCluster): Promise<{ proxy: ChildProcess; port: string }> {
  const args = ["--kubeconfig", cluster.kubeconfig, "--context", cluster.context, "proxy", "--port=0"];
  const proxy = spawn(await tool("kubectl"), args, { stdio: ["ignore", "pipe", "inherit"] });
  const port = await new Promise<string>((resolve, reject) => {
    let said = "";
    proxy.stdout.on("data", (chunk: Buffer) => {
      said += chunk.toString("utf8");
      const found = /127\.0\.0\.1:(\d+)/.exec(said)?.[1];
      if (found !== undefined) resolve(found);
    });
    proxy.once("exit", () => {
      reject(new Error("kubectl proxy ended"));
    });
  });
  return { proxy, port };
}
