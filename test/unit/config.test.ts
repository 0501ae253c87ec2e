import { ConfigurationError, keys, loadConfig, validate, type Problem } from "../../config";
import { isSecret, record, valueOf } from "../recording";
import { project, stackConfiguration, type StackName } from "../../local/stack-files";

const encrypted = (): boolean => true;

function problems(stack: StackName, overrides: Record<string, string>): readonly Problem[] {
  const texts = stackConfiguration(stack, overrides);
  try {
    validate(project.name, (key) => texts[`${project.name}:${key}`], encrypted);
  } catch (error) {
    if (error instanceof ConfigurationError) {
      return error.problems;
    }
    throw error;
  }
  return [];
}

/** What each rule refuses: stack, what is set, which keys the complaint names, and a word of what it allows. */
const refusals: [string, StackName, Record<string, string>, string[], string][] = [
  ["an unknown environment", "local", { environment: "prod" }, ["environment"], "local, staging or production"],
  ["a namespace that Kubernetes refuses", "local", { namespace: "Naytife_1" }, ["namespace"], "DNS label"],
  ["a namespace of 64 characters", "local", { namespace: "n".repeat(64) }, ["namespace"], "63"],
  ["a range of chart versions", "local", { operatorChartVersion: "0.29.x" }, ["operatorChartVersion"], "exact"],
  [
    "a manifest over plain http",
    "local",
    { operatorManifest: "http://x/y", operatorManifestSha256: "0".repeat(64) },
    ["operatorManifest"],
    "https",
  ],
  [
    "a manifest without its sum",
    "local",
    { operatorManifest: "cnpg.yaml" },
    ["operatorManifest", "operatorManifestSha256"],
    "both",
  ],
  [
    "a sum that is none",
    "local",
    { operatorManifest: "cnpg.yaml", operatorManifestSha256: "abc" },
    ["operatorManifestSha256"],
    "64",
  ],
  ["a schedule in five fields", "local", { backupSchedule: "0 2 * * *" }, ["backupSchedule"], "every hour"],
  [
    "a store in the cluster for production",
    "production",
    { backupStore: "local" },
    ["backupStore", "environment"],
    "lost with the cluster",
  ],
  [
    "an existing store without its address",
    "local",
    { backupStore: "existing" },
    ["backupStore", "backupEndpointUrl"],
    "a URL",
  ],
  ["keys in the address", "local", { backupEndpointUrl: "https://a:b@c" }, ["backupEndpointUrl"], "scheme and host"],
  ["a retention without a unit", "local", { backupRetention: "7" }, ["backupRetention"], "7d"],
  [
    "an upload that takes all of the recovery point",
    "local",
    { backupUploadAllowance: "60" },
    ["backupRecoveryPoint", "backupUploadAllowance"],
    "at least 10 seconds",
  ],
  [
    "a sidecar that asks for more than it may use",
    "local",
    { backupSidecarMemoryRequest: "1Gi" },
    ["backupSidecarMemoryRequest", "backupSidecarMemoryLimit"],
    "at most the limit",
  ],
  ["another storage class", "local", { storageClass: "standard" }, ["storageClass"], "cnpg-oci-storage"],
  ["a size without a unit that exists", "local", { storageSize: "10GB" }, ["storageSize"], "10"],
  [
    "a volume smaller than OCI's smallest",
    "production",
    { storageSize: "49Gi" },
    ["storageSize", "storageClass"],
    "50Gi",
  ],
  [
    "an OCID of something else",
    "local",
    { backupOciCompartment: "ocid1.bucket.oc1.phx.aaaa" },
    ["backupOciCompartment"],
    "compartment or tenancy",
  ],
  [
    "a quotation mark in what becomes a policy",
    "local",
    { backupOciTenancy: "ocid1.tenancy.oc1..a'" },
    ["backupOciTenancy"],
    "OCID",
  ],
  ["a namespace that is a host", "local", { backupOciNamespace: "evil.example" }, ["backupOciNamespace"], "a-z"],
  ["a region's key in a region's place", "local", { backupOciHomeRegion: "PHX" }, ["backupOciHomeRegion"], "phoenix"],
  [
    "a region of another cloud",
    "production",
    { backupStore: "oci", backupRegion: "garage" },
    ["backupStore", "backupRegion"],
    "region of OCI",
  ],
  ["no e-mail address", "local", { backupOciUserEmail: "backups" }, ["backupOciUserEmail"], "e-mail"],
  ["no grace", "local", { backupOciPreviousVersionsDays: "0" }, ["backupOciPreviousVersionsDays"], "from 1"],
  ["no instances", "local", { instances: "0" }, ["instances"], "from 1"],
  ["half an instance", "local", { instances: "1.5" }, ["instances"], "whole"],
  ["two instances in production", "production", { instances: "2" }, ["instances", "environment"], "3"],
  ["production without protection", "production", { protect: "false" }, ["protect", "environment"], "true"],
  [
    "production that a destroy empties",
    "production",
    { retainOnDelete: "false" },
    ["retainOnDelete", "environment"],
    "true",
  ],
  [
    "production on one node",
    "production",
    { podAntiAffinity: "preferred" },
    ["podAntiAffinity", "environment"],
    "required",
  ],
  ["asynchronous production", "production", { synchronousReplicas: "0" }, ["synchronousReplicas", "environment"], "1"],
  [
    "production that degrades",
    "production",
    { dataDurability: "preferred" },
    ["dataDurability", "environment"],
    "required",
  ],
  [
    "an image without a digest",
    "staging",
    { postgresImage: "ghcr.io/cloudnative-pg/postgresql:17.11" },
    ["postgresImage", "environment"],
    "digest",
  ],
  [
    "a pooler image without a digest",
    "staging",
    { poolerImage: "ghcr.io/cloudnative-pg/pgbouncer:1.25.2" },
    ["poolerImage", "environment"],
    "digest",
  ],
  [
    "an operator image without a digest",
    "staging",
    { operatorImage: "ghcr.io/cloudnative-pg/cloudnative-pg:1.30.1" },
    ["operatorImage", "environment"],
    "digest",
  ],
  ["an image without a tag", "local", { postgresImage: "ghcr.io/cloudnative-pg/postgresql" }, ["postgresImage"], "tag"],
  [
    "the moving tag latest",
    "local",
    { postgresImage: "ghcr.io/cloudnative-pg/postgresql:latest" },
    ["postgresImage", "localeProvider"],
    "major",
  ],
  [
    "a major without the builtin provider",
    "local",
    { postgresImage: "ghcr.io/cloudnative-pg/postgresql:16.15" },
    ["postgresImage", "localeProvider"],
    "17 for builtin",
  ],
  [
    "a major that is not there yet",
    "local",
    { postgresImage: "ghcr.io/cloudnative-pg/postgresql:19.0" },
    ["postgresImage", "localeProvider"],
    "14 to 18",
  ],
  ["a locale that builtin does not know", "local", { locale: "en_US" }, ["locale", "localeProvider"], "C.UTF-8"],
  [
    "as many synchronous replicas as instances",
    "staging",
    { synchronousReplicas: "2" },
    ["synchronousReplicas", "instances"],
    "at most 1",
  ],
  ["memory that initdb does not survive", "local", { memory: "256Mi" }, ["memory"], "512Mi"],
  ["shared_buffers of all the memory", "local", { sharedBuffers: "512MB" }, ["memory", "sharedBuffers"], "half"],
  [
    "a cache that is not there",
    "local",
    { effectiveCacheSize: "1GB" },
    ["memory", "effectiveCacheSize"],
    "at most memory",
  ],
  ["a bare number of memory", "local", { workMem: "4096" }, ["workMem"], "unit"],
  ["a CPU request above its limit", "local", { cpuRequest: "600m" }, ["cpuRequest", "cpuLimit"], "at most the limit"],
  [
    "a pooler CPU request above its limit",
    "local",
    { poolerCpuRequest: "200m" },
    ["poolerCpuRequest", "poolerCpuLimit"],
    "at most",
  ],
  [
    "a pooler memory request above its limit",
    "local",
    { poolerMemoryRequest: "1Gi" },
    ["poolerMemoryRequest", "poolerMemoryLimit"],
    "at most",
  ],
  ["an exporter that no rule knows", "local", { monitoringExporters: '["node"]' }, ["monitoringExporters"], "kubelet"],
  [
    "an exporter twice",
    "local",
    { monitoringExporters: '["kubelet","kubelet"]' },
    ["monitoringExporters"],
    "each once",
  ],
  ["a label that Kubernetes refuses", "local", { monitoringLabels: '{"a b":"c"}' }, ["monitoringLabels"], "label"],
  ["a label that is no text", "local", { monitoringLabels: '{"release":1}' }, ["monitoringLabels"], "texts"],
  [
    "runbooks with a slash at the end",
    "local",
    { monitoringRunbooks: "https://x/y/" },
    ["monitoringRunbooks"],
    "slash",
  ],
  [
    "a page before its ticket",
    "local",
    { alertConnectionsPercent: "96" },
    ["alertConnectionsPercent", "alertConnectionsCriticalPercent"],
    "ticket before",
  ],
  ["a certificate ticket at each renewal", "local", { alertCertificateDays: "7" }, ["alertCertificateDays"], "to 6"],
  ["availability without a budget", "local", { alertAvailabilityPercent: "100" }, ["alertAvailabilityPercent"], "99.9"],
  ["no time for a fast shutdown", "local", { stopDelay: "20" }, ["stopDelay", "smartShutdownTimeout"], "15"],
  [
    "asked less often than it is given up",
    "local",
    { unreadyAfter: "5", readinessProbePeriod: "6" },
    ["unreadyAfter", "readinessProbePeriod"],
    "at least",
  ],
  ["PostgreSQL's own database", "local", { databaseName: "postgres" }, ["databaseName"], "does not use itself"],
  ["the superuser as owner", "local", { databaseUser: "postgres" }, ["databaseUser"], "itself"],
  ["a role of the operator's as owner", "local", { databaseUser: "cnpg_pooler_pgbouncer" }, ["databaseUser"], "itself"],
  ["no schema", "local", { databaseSchemas: "[]" }, ["databaseSchemas"], "one or more"],
  [
    "a schema that breaks out of SQL",
    "local",
    { databaseSchemas: '["a; DROP TABLE b"]' },
    ["databaseSchemas"],
    "identifier",
  ],
  ["a schema twice", "local", { databaseSchemas: '["hydra","hydra"]' }, ["databaseSchemas"], "once"],
  ["a password that is too short", "local", { databasePassword: "short" }, ["databasePassword"], "8"],
  ["a log of every statement", "local", { logStatement: "all" }, ["logStatement"], "none, ddl or mod"],
  ["yes for true", "local", { logCheckpoints: "yes" }, ["logCheckpoints"], "true or false"],
  ["a target above 1", "local", { checkpointCompletionTarget: "1.1" }, ["checkpointCompletionTarget"], "0 to 1"],
  [
    "a parameter that has its own key",
    "local",
    { postgresqlParameters: '{"log_statement":"all"}' },
    ["postgresqlParameters"],
    "without",
  ],
  [
    "a parameter that is no text",
    "local",
    { postgresqlParameters: '{"jit":false}' },
    ["postgresqlParameters"],
    "texts",
  ],
  [
    "poolers that ask for too much",
    "production",
    { poolerMaxDatabaseConnections: "51" },
    ["maxConnections", "reservedConnections", "poolerInstances", "poolerMaxDatabaseConnections"],
    "203",
  ],
  [
    "a pool larger than its limits",
    "local",
    { poolerDefaultPoolSize: "30" },
    ["poolerDefaultPoolSize", "poolerMaxDatabaseConnections", "poolerMaxUserConnections"],
    "no larger",
  ],
  ["too few clients", "local", { poolerMaxClientConnections: "100" }, ["poolerMaxClientConnections"], "from 1000"],
  [
    "the old database without a migration that knows it",
    "local",
    { activeDatabase: "source", migrationEnabled: "false" },
    ["activeDatabase", "migrationEnabled"],
    "while migrationEnabled",
  ],
  ["a way back that is closed at once", "local", { migrationRetainDays: "-1" }, ["migrationRetainDays"], "365"],
  ["a mode of the migration that is none", "local", { migrationMode: "live" }, ["migrationMode"], "offline or online"],
  ["no port", "local", { migrationSourcePort: "0" }, ["migrationSourcePort"], "65535"],
  [
    "an alias by which clients ask for another database",
    "local",
    { migrationAlias: "true", databaseName: "other" },
    ["migrationAlias", "migrationSourceDatabase", "databaseName"],
    "same database name",
  ],
  [
    "an alias in another namespace",
    "local",
    { migrationAlias: "true", migrationSourceHost: "postgres.elsewhere.svc" },
    ["migrationAlias", "migrationSourceHost", "namespace"],
    "Service of this namespace",
  ],
  [
    "a drill in six fields, which are the operator's",
    "local",
    { drillSchedule: "0 0 23 * * 0" },
    ["drillSchedule"],
    "five fields",
  ],
  [
    "a drill that would be ended before it can be late",
    "local",
    { drillDeadlineMinutes: "15" },
    ["drillDeadlineMinutes", "drillRecoveryTime"],
    "measured",
  ],
  [
    "a hold that PgBouncer would end",
    "local",
    { migrationHoldSeconds: "120" },
    ["migrationHoldSeconds"],
    "from 1 to 100",
  ],
];

test.each(refusals)("refuses %s", (_, stack, overrides, named, allowed) => {
  expect(problems(stack, overrides)).toEqual([
    { keys: named, values: expect.any(Array) as unknown, allowed: expect.stringContaining(allowed) as unknown },
  ]);
});

test("examples stand for OCI's identifiers in a preview, and an update refuses each of them", async () => {
  const config = stackConfiguration("production", { backupStore: "oci" });
  const load = (preview: boolean) =>
    record(() => Promise.resolve().then(loadConfig).catch(String), { config, preview });
  expect((await load(true)).result).toMatchObject({ backupOciNamespace: "example" });
  const { result } = await load(false);
  for (const key of ["backupOciTenancy", "backupOciCompartment", "backupOciNamespace"])
    expect(result).toMatch(new RegExp(`naytife-postgres:${key} is "[^"]*example"; allowed: your own`));

  const own = stackConfiguration("production", {
    backupStore: "oci",
    backupOciTenancy: "ocid1.tenancy.oc1..aaaa",
    backupOciCompartment: "ocid1.compartment.oc1..aaaa",
    backupOciNamespace: "axaxnpcrorw5",
  });
  const { result: taken } = await record(loadConfig, { config: own });
  expect(taken.backupOciTenancy).toBe("ocid1.tenancy.oc1..aaaa");
});

test("each key that is not set is named", () => {
  const missing = (): undefined => undefined;
  expect(() => validate(project.name, missing, encrypted)).toThrow(ConfigurationError);
  try {
    validate(project.name, missing, encrypted);
  } catch (error) {
    expect((error as ConfigurationError).problems.flatMap((problem) => problem.keys)).toEqual(keys);
  }
});

test("the message lists all problems at once, each with key, value and what is allowed, and no secret", () => {
  const texts = stackConfiguration("production", {
    instances: "2",
    logStatement: "all",
    databasePassword: "hunter2",
    storageSize: "10 potatoes",
  });
  expect(() => validate(project.name, (key) => texts[`${project.name}:${key}`], encrypted)).toThrow(
    [
      "The stack's configuration has 4 problems. Nothing was changed.",
      '  - naytife-postgres:storageSize is "10 potatoes"; allowed: a Kubernetes quantity of bytes, e.g. 512Mi or 100Gi',
      "  - naytife-postgres:databasePassword is [secret]; allowed: empty, or 8 to 512 characters of which none is a control character",
      '  - naytife-postgres:logStatement is "all"; allowed: none, ddl or mod',
      '  - naytife-postgres:instances is "2", naytife-postgres:environment is "production"; allowed: at least 3 instances in production, so that one may fail while another is updated',
      "Mend with: pulumi config set naytife-postgres:<key> <value>   (Pulumi.yaml describes every key)",
    ].join("\n"),
  );
});

test("a value that fills the screen is cut short", () => {
  const [problem] = problems("local", { namespace: "x".repeat(5000) });
  expect(problem?.values[0]?.length).toBeLessThan(100);
});

test("a given password is secret, an empty one means that there is none", async () => {
  const { result: given } = await record(loadConfig, {
    config: stackConfiguration("local", { databasePassword: "correct horse" }),
    secretKeys: ["naytife-postgres:databasePassword"],
  });
  expect(await valueOf(given.databasePassword!)).toBe("correct horse");
  expect(await isSecret(given.databasePassword!)).toBe(true);
  const { result: none } = await record(loadConfig, { config: stackConfiguration("local") });
  expect(none.databasePassword).toBeUndefined();
});

test("a password in clear is refused, and not shown", async () => {
  const config = stackConfiguration("local", { databasePassword: "correct horse" });
  const { result } = await record(() => Promise.resolve().then(loadConfig).catch(String), { config });
  expect(result).toMatch(/naytife-postgres:databasePassword is \[secret\]; allowed: encrypted only/);
  expect(result).not.toContain("horse");
});
