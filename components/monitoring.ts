import { AsyncResource } from "node:async_hooks";
import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { dashboardJson } from "../monitoring/dashboards/dashboard";
import { customQueries, queriesKey } from "../monitoring/queries";
import { ruleFile } from "../monitoring/rules/rules";
import type { MonitoringSettings } from "../monitoring/settings";
import { caSecret, names, readWriteService } from "./names";

/** Labels by which a Prometheus or a Grafana finds what is meant for it. */
type Labels = Readonly<Record<string, string>>;

const prometheusOperator = "monitoring.coreos.com/v1";

function metadata(name: string, namespace: pulumi.Input<string>, labels: Labels) {
  const own = { "app.kubernetes.io/name": "naytife-postgres", "app.kubernetes.io/component": "monitoring" };
  return { name, namespace, labels: { ...own, ...labels } };
}

/** Arguments of {@link MonitoringTargets}. */
export interface MonitoringTargetsArgs {
  readonly namespace: pulumi.Input<string>;
  readonly settings: MonitoringSettings;
  /** Seconds between two looks at a target. */
  readonly scrapeSeconds: number;
  /** Labels by which the Prometheus in charge selects PodMonitors. */
  readonly labels: Labels;
}

/** Whether an operation failed since the server has no such kind. @param error the provider's message: the API client's words are in it, or the provider's own */
export function isUnknownKind(error: string): boolean {
  return /no matches for kind|any required CRDs have been created/.test(error);
}

/** Says, once, what the server's words mean where the Prometheus Operator's definitions are not there. */
function explainMissingOperator(name: string): pulumi.ErrorHook {
  let said = false;
  // A hook is called outside the program's own context, in which the engine's log is.
  const say = AsyncResource.bind((text: string) => pulumi.log.error(text));
  return new pulumi.ErrorHook(name, async ({ errors }) => {
    if (!said && isUnknownKind(errors[0] ?? "")) {
      said = true;
      await say(
        "Monitoring: the Prometheus Operator is not installed here: the cluster knows no PodMonitor.\n" +
          "  Untouched: Cluster and Pooler are as they were, and nothing of monitoring was made.\n" +
          "  Next: Install it (the chart kube-prometheus-stack has it), or set monitoringEnabled to false; then run `pulumi up` again.",
      );
    }
    // It does not pass by itself.
    return false;
  });
}

/**
 * What a Prometheus is to look at: a PodMonitor for each kind of pod, and what the instances' exporters ask beyond the operator's own queries.
 *
 * The PodMonitors come first of all that monitoring adds. Where the Prometheus Operator's definitions are not there the update ends with them, and nothing was
 * changed: neither the Cluster, which depends on this, nor its Pooler. What it means is said beside the server's words.
 *
 * ServiceMonitors could not work: the Services of clusters and poolers have PostgreSQL's port only. The operator's own PodMonitors (enablePodMonitor) are
 * deprecated, and take no labels.
 */
export class MonitoringTargets extends pulumi.ComponentResource {
  /** ConfigMap and key of the queries, for the Cluster; known once the ConfigMap exists. */
  readonly queries: { readonly name: pulumi.Output<string>; readonly key: string };

  constructor(name: string, args: MonitoringTargetsArgs, options?: pulumi.ComponentResourceOptions) {
    super("naytife:postgres:MonitoringTargets", name, {}, options);
    const hooks = { onError: [explainMissingOperator(`${name}-operator`)] };
    const monitors = Object.entries(podMonitors(args.settings, args.scrapeSeconds)).map(
      ([target, spec]) =>
        new kubernetes.apiextensions.CustomResource(
          `${name}-${target}`,
          {
            apiVersion: prometheusOperator,
            kind: "PodMonitor",
            metadata: metadata(
              podMonitorName(args.settings.watched.cluster, target as Target),
              args.namespace,
              args.labels,
            ),
            spec,
          },
          { parent: this, hooks },
        ),
    );
    const queries = new kubernetes.core.v1.ConfigMap(
      names.queriesConfigMap,
      {
        // The instances read it again when it changes.
        metadata: metadata(names.queriesConfigMap, args.namespace, { "cnpg.io/reload": "true" }),
        data: { [queriesKey]: customQueries() },
      },
      { parent: this, dependsOn: monitors },
    );
    this.queries = { name: queries.metadata.name, key: queriesKey };
    this.registerOutputs({});
  }
}

/** Arguments of {@link Monitoring}. */
export interface MonitoringArgs {
  readonly namespace: pulumi.Input<string>;
  readonly settings: MonitoringSettings;
  /** Labels by which the Prometheus in charge selects rules. */
  readonly labels: Labels;
  /** Labels by which Grafana's sidecar finds dashboards. */
  readonly dashboardLabels: Labels;
}

/** When to speak, and what to look at: alerting rules and a dashboard. */
export class Monitoring extends pulumi.ComponentResource {
  constructor(name: string, args: MonitoringArgs, options?: pulumi.ComponentResourceOptions) {
    super("naytife:postgres:Monitoring", name, {}, options);
    new kubernetes.apiextensions.CustomResource(
      `${name}-rules`,
      {
        apiVersion: prometheusOperator,
        kind: "PrometheusRule",
        metadata: metadata(args.settings.watched.cluster, args.namespace, args.labels),
        spec: ruleFile(args.settings),
      },
      { parent: this },
    );
    new kubernetes.core.v1.ConfigMap(
      `${name}-dashboard`,
      {
        metadata: metadata(`${args.settings.watched.cluster}-dashboard`, args.namespace, args.dashboardLabels),
        data: {
          [`${args.settings.watched.cluster}-${args.settings.watched.namespace}.json`]: dashboardJson(args.settings),
        },
      },
      { parent: this },
    );
    this.registerOutputs({});
  }
}

type Target = "instances" | "pooler" | "operator" | "plugin";

/** A PodMonitor's name, which Prometheus makes the label `job` of: `<namespace>/<name>`. */
export function podMonitorName(cluster: string, target: Target): string {
  return `${cluster}-${target}`;
}

/** The fields of `spec` of monitoring.coreos.com/v1 PodMonitor that we set. */
export interface PodMonitorSpec {
  namespaceSelector: { matchNames: string[] };
  selector: { matchLabels: Record<string, string> };
  podMetricsEndpoints: {
    port: "metrics";
    interval: string;
    scrapeTimeout: string;
    scheme?: "https";
    tlsConfig?: { ca: { secret: { name: string; key: string } }; serverName: string };
  }[];
}

/** `spec` of each PodMonitor. Pods of a drill or a recovery carry another cluster's name and are not among them. */
export function podMonitors(
  { watched }: MonitoringSettings,
  scrapeSeconds: number,
): Partial<Record<Target, PodMonitorSpec>> {
  const pods = (namespace: string, matchLabels: Record<string, string>, certificateName?: string): PodMonitorSpec => ({
    namespaceSelector: { matchNames: [namespace] },
    selector: { matchLabels },
    podMetricsEndpoints: [
      {
        port: "metrics",
        interval: `${scrapeSeconds}s`,
        scrapeTimeout: `${Math.min(scrapeSeconds, 10)}s`,
        ...(certificateName === undefined
          ? {}
          : {
              scheme: "https",
              // Prometheus comes by the pod's address, which no certificate names.
              tlsConfig: {
                ca: { secret: { name: caSecret(watched.cluster), key: "ca.crt" } },
                serverName: certificateName,
              },
            }),
      },
    ],
  });
  return {
    instances: pods(
      watched.namespace,
      // The pooler's pods carry the cluster's label, too.
      { "cnpg.io/cluster": watched.cluster, "cnpg.io/podRole": "instance" },
      watched.tls ? readWriteService(watched.cluster) : undefined,
    ),
    pooler: pods(watched.namespace, { "cnpg.io/poolerName": watched.pooler }, watched.tls ? watched.pooler : undefined),
    operator: pods(watched.operatorNamespace, { "app.kubernetes.io/name": "cloudnative-pg" }),
    ...(watched.backups ? { plugin: pods(watched.operatorNamespace, { app: "barman-cloud" }) } : {}),
  };
}
