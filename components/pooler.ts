import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { poolerSurge } from "../postgresql/connection-budget";
import { names, postgresPort, serviceHost } from "./names";
import { retryWhileWebhookIsAway } from "./webhook-retry";

/** The fields of `spec` of postgresql.cnpg.io/v1 Pooler that we set; api/v1/pooler_types.go has them all. */
export interface PoolerSpec {
  cluster: { name: pulumi.Input<string> };
  instances: number;
  type: "rw";
  pgbouncer: {
    image: string;
    poolMode: "transaction" | "session";
    parameters: Record<string, string>;
  };
  monitoring?: { tls: { enabled: true } };
  deploymentStrategy: {
    type: "RollingUpdate";
    rollingUpdate: { maxSurge: number; maxUnavailable: number };
  };
  template: {
    spec: {
      containers: {
        name: "pgbouncer";
        resources: {
          requests: { memory: string; cpu: string };
          limits: { memory: string; cpu: string };
        };
      }[];
      topologySpreadConstraints: {
        maxSkew: number;
        topologyKey: string;
        whenUnsatisfiable: "ScheduleAnyway";
        labelSelector: { matchLabels: Record<string, string> };
      }[];
    };
  };
}

/** What a pooler is made of. Limits are of one pod; postgresql/connection-budget.ts adds them up. */
export interface PoolerDescription {
  /** Name of the Cluster that it serves. */
  readonly cluster: pulumi.Input<string>;
  readonly instances: number;
  readonly image: string;
  readonly mode: "transaction" | "session";
  readonly maxClientConnections: number;
  readonly defaultPoolSize: number;
  readonly maxDatabaseConnections: number;
  readonly maxUserConnections: number;
  /** Seconds. */
  readonly serverCheckDelay: number;
  /** Seconds. */
  readonly serverLoginRetry: number;
  /** Kubernetes quantities. */
  readonly memoryRequest: string;
  readonly memoryLimit: string;
  readonly cpuRequest: string;
  readonly cpuLimit: string;
  /** The exporters serve their metrics over TLS, with the cluster's certificate. */
  readonly metricsTls?: boolean;
}

/** The label that the operator puts on the pooler's pods. */
const podLabels = { "cnpg.io/poolerName": names.pooler };

/** `spec` of the Pooler. */
export function poolerSpec(pooler: PoolerDescription): PoolerSpec {
  return {
    cluster: { name: pooler.cluster },
    instances: pooler.instances,
    type: "rw",
    pgbouncer: {
      image: pooler.image,
      poolMode: pooler.mode,
      parameters: {
        max_client_conn: String(pooler.maxClientConnections),
        default_pool_size: String(pooler.defaultPoolSize),
        max_db_connections: String(pooler.maxDatabaseConnections),
        max_user_connections: String(pooler.maxUserConnections),
        server_reset_query: "DISCARD ALL",
        server_check_query: "SELECT 1",
        server_check_delay: String(pooler.serverCheckDelay),
        server_login_retry: String(pooler.serverLoginRetry),
        // The operator's default, prefer, would take passwords in clear.
        client_tls_sslmode: "require",
      },
    },
    ...(pooler.metricsTls === true ? { monitoring: { tls: { enabled: true as const } } } : {}),
    // Held to what the connection budget counts with.
    deploymentStrategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: poolerSurge, maxUnavailable: 0 } },
    template: {
      spec: {
        containers: [
          {
            name: "pgbouncer",
            resources: {
              requests: { memory: pooler.memoryRequest, cpu: pooler.cpuRequest },
              limits: { memory: pooler.memoryLimit, cpu: pooler.cpuLimit },
            },
          },
        ],
        topologySpreadConstraints: [
          {
            maxSkew: 1,
            topologyKey: "kubernetes.io/hostname",
            whenUnsatisfiable: "ScheduleAnyway",
            labelSelector: { matchLabels: podLabels },
          },
        ],
      },
    },
  };
}

/** Arguments of {@link Pooler}. */
export interface PoolerArgs extends PoolerDescription {
  readonly namespace: pulumi.Input<string>;
  /** The same, by name, for host names that are known before anything exists. */
  readonly namespaceName: string;
}

/** PgBouncer before the primary: what applications connect to. */
export class Pooler extends pulumi.ComponentResource {
  /** Host name of the pooler's Service, known once every pod takes connections. */
  readonly host: pulumi.Output<string>;
  readonly port = postgresPort;

  constructor(name: string, args: PoolerArgs, options?: pulumi.ComponentResourceOptions) {
    super("naytife:postgres:Pooler", name, {}, options);
    const pooler = new kubernetes.apiextensions.CustomResource(
      names.pooler,
      {
        apiVersion: "postgresql.cnpg.io/v1",
        kind: "Pooler",
        metadata: {
          name: names.pooler,
          namespace: args.namespace,
          annotations: {
            // In the foreground it would never be gone: the operator makes its Deployment anew as long as it is there.
            "pulumi.com/deletionPropagationPolicy": "background",
            "pulumi.com/waitFor": JSON.stringify([
              "jsonpath={.status.phase}=active",
              `jsonpath={.status.instances}=${args.instances}`,
            ]),
          },
        },
        spec: poolerSpec(args),
      },
      {
        parent: this,
        // Immutable in the API, which would answer an update with an error.
        replaceOnChanges: ["spec.cluster"],
        deleteBeforeReplace: true,
        hooks: { onError: [retryWhileWebhookIsAway(`${name}-webhook`)] },
        customTimeouts: { create: "15m", update: "15m" },
      },
    );
    // The operator makes no disruption budget for poolers. It is also how `up` knows that they serve: the Pooler is
    // "active" as soon as its Deployment exists, and its instances count as soon as they are created; the budget counts
    // pods that pass their readiness probe, a connection to PgBouncer's port.
    const budget = new kubernetes.policy.v1.PodDisruptionBudget(
      names.pooler,
      {
        metadata: {
          name: names.pooler,
          namespace: args.namespace,
          annotations: { "pulumi.com/waitFor": `jsonpath={.status.currentHealthy}=${args.instances}` },
        },
        spec: { maxUnavailable: 1, selector: { matchLabels: podLabels } },
      },
      { parent: this, dependsOn: [pooler], customTimeouts: { create: "15m", update: "15m" } },
    );
    this.host = budget.metadata.apply(() => serviceHost(names.pooler, args.namespaceName));
    this.registerOutputs({ host: this.host, port: this.port });
  }
}
