import * as kubernetes from "@pulumi/kubernetes";
import { Pooler, poolerSpec, type PoolerArgs } from "../../components/pooler";
import { record, valueOf } from "../recording";

const args: PoolerArgs = {
  namespace: "naytife",
  namespaceName: "naytife",
  cluster: "naytife-postgres",
  instances: 2,
  image: "ghcr.io/cloudnative-pg/pgbouncer:1.25.2",
  mode: "transaction",
  maxClientConnections: 1000,
  defaultPoolSize: 20,
  maxDatabaseConnections: 25,
  maxUserConnections: 25,
  serverCheckDelay: 10,
  serverLoginRetry: 1,
  memoryRequest: "64Mi",
  memoryLimit: "128Mi",
  cpuRequest: "50m",
  cpuLimit: "100m",
};

const run = () =>
  record(() => {
    const provider = new kubernetes.Provider("kubernetes", {});
    return new Pooler("pooler", args, { provider });
  });

/** The parameters that CNPG 1.30's webhook takes, of those we might set (internal/webhook/v1/pooler_webhook.go). */
const allowed = [
  "client_tls_sslmode",
  "default_pool_size",
  "max_client_conn",
  "max_db_connections",
  "max_user_connections",
  "server_check_delay",
  "server_check_query",
  "server_login_retry",
  "server_reset_query",
];

test("every parameter is text, and one that the operator takes", () => {
  const { parameters } = poolerSpec(args).pgbouncer;
  expect(Object.keys(parameters).sort()).toEqual(allowed);
  expect(Object.values(parameters).every((value) => typeof value === "string")).toBe(true);
});

test("passwords travel over TLS only, and a new primary is looked for each second", () => {
  expect(poolerSpec(args).pgbouncer.parameters).toMatchObject({
    client_tls_sslmode: "require",
    server_login_retry: "1",
  });
});

test("resources stand in the pod's template: the plan's spec.resources is no field of a Pooler", () => {
  expect(poolerSpec(args)).not.toHaveProperty("resources");
  expect(poolerSpec(args).template.spec.containers).toEqual([
    {
      name: "pgbouncer",
      resources: { requests: { memory: "64Mi", cpu: "50m" }, limits: { memory: "128Mi", cpu: "100m" } },
    },
  ]);
});

test("an update runs one pod more and never one less", () => {
  expect(poolerSpec(args).deploymentStrategy.rollingUpdate).toEqual({ maxSurge: 1, maxUnavailable: 0 });
});

test("is waited for until the operator has made it, and replaced when it is to serve another cluster", async () => {
  const pooler = (await run()).get("kubernetes:postgresql.cnpg.io/v1:Pooler");
  expect(pooler.inputs.metadata).toMatchObject({
    name: "naytife-postgres-pooler",
    annotations: {
      "pulumi.com/deletionPropagationPolicy": "background",
      "pulumi.com/waitFor": '["jsonpath={.status.phase}=active","jsonpath={.status.instances}=2"]',
    },
  });
  expect(pooler).toMatchObject({
    replaceOnChanges: ["spec.cluster"],
    deleteBeforeReplace: true,
    errorHooks: ["pooler-webhook"],
  });
});

test("its disruption budget is waited for until every pod takes connections", async () => {
  const recording = await run();
  const budget = recording.get("kubernetes:policy/v1:PodDisruptionBudget");
  expect(budget.inputs).toMatchObject({
    metadata: {
      name: "naytife-postgres-pooler",
      annotations: { "pulumi.com/waitFor": "jsonpath={.status.currentHealthy}=2" },
    },
    spec: { maxUnavailable: 1, selector: { matchLabels: { "cnpg.io/poolerName": "naytife-postgres-pooler" } } },
  });
  expect(budget.dependencies).toContain(recording.get("kubernetes:postgresql.cnpg.io/v1:Pooler").urn);
});

test("its Service has its name, without the suffix that the plan's URLs have", async () => {
  const { result } = await run();
  expect(await valueOf(result.host)).toBe("naytife-postgres-pooler.naytife.svc");
});
