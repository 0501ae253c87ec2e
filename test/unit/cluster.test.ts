import * as kubernetes from "@pulumi/kubernetes";
import { bootstrapStatements, Cluster, clusterSpec, type ClusterArgs, type InitDb } from "../../components/cluster";
import { record, valueOf } from "../recording";

const args: ClusterArgs = {
  name: "naytife-postgres",
  namespace: "naytife",
  namespaceName: "naytife",
  growsLater: false,
  instances: 3,
  image: "ghcr.io/cloudnative-pg/postgresql:17.11",
  storageClass: "cnpg-oci-storage",
  storageSize: "50Gi",
  memory: "2Gi",
  cpuRequest: "500m",
  cpuLimit: "1",
  synchronousReplicas: 1,
  dataDurability: "required",
  podAntiAffinity: "required",
  switchoverDelay: 300,
  stopDelay: 300,
  smartShutdownTimeout: 15,
  startupProbePeriod: 1,
  readinessProbePeriod: 2,
  unreadyAfter: 30,
  databaseName: "naytifedb",
  databaseUser: "naytife",
  credentialsSecret: "cnpg-cluster-secret",
  schemas: ["hydra", "naytife_schema"],
  searchPath: ["naytife_schema", "public"],
  localeProvider: "builtin",
  locale: "C.UTF-8",
  parameters: { max_connections: "200" },
  archive: undefined,
  recovery: undefined,
  protect: true,
  retainOnDelete: true,
};

/** What a Cluster begins with that is not recovered. */
function emptyDatabase(other: Partial<ClusterArgs> = {}): InitDb {
  const { bootstrap } = clusterSpec({ ...args, ...other });
  if (!("initdb" in bootstrap)) throw new Error("no empty database");
  return bootstrap.initdb;
}

describe("the spec", () => {
  test("gives the owner its schemas, and the role its search_path, in the application's database alone", () => {
    const initdb = emptyDatabase();
    expect(initdb).toMatchObject({ database: "naytifedb", owner: "naytife", secret: { name: "cnpg-cluster-secret" } });
    expect(initdb).not.toHaveProperty("postInitTemplateSQL");
    expect(initdb.postInitApplicationSQL).toEqual([
      'CREATE SCHEMA IF NOT EXISTS "hydra" AUTHORIZATION "naytife";',
      'CREATE SCHEMA IF NOT EXISTS "naytife_schema" AUTHORIZATION "naytife";',
      'ALTER ROLE "naytife" IN DATABASE "naytifedb" SET search_path = "naytife_schema", "public";',
    ]);
  });

  test("asks often whether an instance is there, and gives up on it no sooner than it is told to", () => {
    expect(clusterSpec(args).probes).toEqual({
      startup: { periodSeconds: 1 },
      readiness: { periodSeconds: 2, timeoutSeconds: 2, failureThreshold: 15 },
    });
    const { readiness } = clusterSpec({ ...args, readinessProbePeriod: 7 }).probes;
    expect(readiness.failureThreshold * readiness.periodSeconds).toBeGreaterThanOrEqual(30);
  });

  test("quotes what it puts into SQL", () => {
    const [schema] = bootstrapStatements({ ...args, databaseUser: 'a"b', schemas: ['x"; DROP SCHEMA y; --'] });
    expect(schema).toBe('CREATE SCHEMA IF NOT EXISTS "x""; DROP SCHEMA y; --" AUTHORIZATION "a""b";');
  });

  test("says encoding, locale and checksums, which initdb would else choose", () => {
    expect(emptyDatabase()).toMatchObject({
      encoding: "UTF8",
      localeProvider: "builtin",
      builtinLocale: "C.UTF-8",
      dataChecksums: true,
    });
    expect(emptyDatabase({ localeProvider: "icu", locale: "en" })).toMatchObject({
      localeProvider: "icu",
      icuLocale: "en",
    });
    expect(emptyDatabase({ localeProvider: "libc", locale: "C" })).toMatchObject({
      localeProvider: "libc",
      localeCollate: "C",
      localeCType: "C",
    });
  });

  test("waits for a replica at each commit, and promotes only one that has them all", () => {
    expect(clusterSpec(args).postgresql.synchronous).toEqual({
      method: "any",
      number: 1,
      dataDurability: "required",
      failoverQuorum: true,
    });
    expect(clusterSpec({ ...args, instances: 1, synchronousReplicas: 0 }).postgresql).not.toHaveProperty("synchronous");
  });

  test("without its size, it neither says how many instances there are nor waits for one", () => {
    const whole = clusterSpec(args);
    const spec = clusterSpec({ ...args, growsLater: true });
    expect({ ...whole, instances: undefined, postgresql: undefined }).toEqual({ ...spec, postgresql: undefined });
    expect(spec).not.toHaveProperty("instances");
    expect({ ...spec.postgresql, synchronous: whole.postgresql.synchronous }).toEqual(whole.postgresql);
    expect(spec.postgresql).not.toHaveProperty("synchronous");
  });

  test("has a disruption budget for several instances only: for one it would block every drain", () => {
    expect(clusterSpec(args).enablePDB).toBe(true);
    expect(clusterSpec({ ...args, instances: 1, synchronousReplicas: 0 }).enablePDB).toBe(false);
  });

  test("spreads the instances as asked", () => {
    expect(clusterSpec(args).affinity).toMatchObject({
      enablePodAntiAffinity: true,
      podAntiAffinityType: "required",
      topologyKey: "kubernetes.io/hostname",
    });
    expect(clusterSpec({ ...args, podAntiAffinity: "none" }).affinity).toEqual({ enablePodAntiAffinity: false });
  });

  test("takes no connection without TLS", () => {
    expect(clusterSpec(args).postgresql.pg_hba).toEqual(["hostnossl all all all reject"]);
  });

  test("has the pooler's names in the certificate that the pooler shows", () => {
    expect(clusterSpec(args).certificates.serverAltDNSNames).toEqual([
      "naytife-postgres-pooler",
      "naytife-postgres-pooler.naytife",
      "naytife-postgres-pooler.naytife.svc",
    ]);
  });

  test("guarantees the memory that it may use", () => {
    expect(clusterSpec(args).resources).toEqual({
      requests: { memory: "2Gi", cpu: "500m" },
      limits: { memory: "2Gi", cpu: "1" },
    });
  });
});

describe("the resource", () => {
  const run = (overrides: Partial<ClusterArgs> = {}) =>
    record(() => {
      const provider = new kubernetes.Provider("kubernetes", {});
      return new Cluster("cluster", { ...args, ...overrides }, { provider });
    });
  const type = "kubernetes:postgresql.cnpg.io/v1:Cluster";

  test("is ready when all instances are, and has the time for it", async () => {
    const cluster = (await run()).get(type);
    expect(cluster.inputs.metadata).toMatchObject({
      name: "naytife-postgres",
      namespace: "naytife",
      annotations: { "pulumi.com/waitFor": '["condition=Ready","jsonpath={.status.readyInstances}=3"]' },
    });
    expect(cluster.timeouts).toEqual({ create: "30m", update: "60m", delete: "15m" });
  });

  test("says which sidecars its instances have to have", async () => {
    const annotations = async (overrides: Partial<ClusterArgs>) =>
      ((await run(overrides)).get(type).inputs.metadata as { annotations: Record<string, string> }).annotations;
    expect(await annotations({ sidecarRevision: "0123" })).toMatchObject({ "naytife.com/backup-sidecar": "0123" });
    expect(await annotations({})).not.toHaveProperty("naytife.com/backup-sidecar");
  });

  test("that grows later is ready with its first instance, and an update leaves it the size that it has", async () => {
    const cluster = (await run({ growsLater: true })).get(type);
    expect(cluster.inputs.metadata).toMatchObject({ annotations: { "pulumi.com/waitFor": '["condition=Ready"]' } });
    expect(cluster.ignoreChanges).toEqual(["spec.instances", "spec.postgresql.synchronous"]);
    expect((await run()).get(type).ignoreChanges).toEqual([]);
  });

  test("that grows later gives up synchronous replication once it is switched off", async () => {
    const cluster = (await run({ growsLater: true, synchronousReplicas: 0 })).get(type);
    expect(cluster.ignoreChanges).toEqual(["spec.instances"]);
  });

  test.each([
    [true, false],
    [false, true],
  ])("protect %p, retainOnDelete %p", async (protect, retainOnDelete) => {
    expect((await run({ protect, retainOnDelete })).get(type)).toMatchObject({ protect, retainOnDelete });
  });

  test("is tried again while the webhook is away", async () => {
    expect((await run()).get(type).errorHooks).toEqual(["cluster-webhook"]);
  });

  test("tells where the primary is", async () => {
    const { result } = await run();
    expect(await valueOf(result.host)).toBe("naytife-postgres-rw.naytife.svc");
    expect(result.port).toBe(5432);
  });
});
