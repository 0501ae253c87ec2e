/** `npm run preview` on a machine without a cluster: each stack's resources, by type and name. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { preview } from "../../local/engine/preview";
import { openStackWithPlugins, stackNames } from "../../local/engine/stack";

const stateDirectory = mkdtempSync(join(tmpdir(), "naytife-preview-"));
const kubeconfig = process.env.KUBECONFIG;

beforeAll(() => {
  process.env.KUBECONFIG = "/nonexistent/kubeconfig";
});

afterAll(() => {
  if (kubeconfig === undefined) delete process.env.KUBECONFIG;
  else process.env.KUBECONFIG = kubeconfig;
  rmSync(stateDirectory, { recursive: true, force: true });
});

/** The store in the cluster. Oracle's bucket has a test of its own. */
const localBucket = [
  "kubernetes:apps/v1:Deployment naytife-postgres-store",
  "kubernetes:core/v1:PersistentVolumeClaim naytife-postgres-store",
  "kubernetes:core/v1:Secret cnpg-backup-secret",
  "kubernetes:core/v1:Service naytife-postgres-store",
  "naytife:postgres:LocalBucket bucket",
  "random:index/randomPassword:RandomPassword bucket-access-key",
  "random:index/randomPassword:RandomPassword bucket-secret-key",
];

const restoreDrill = [
  "kubernetes:batch/v1:CronJob naytife-postgres-restore-drill",
  "kubernetes:core/v1:ConfigMap naytife-postgres-restore-drill",
  "kubernetes:core/v1:ConfigMap naytife-postgres-restore-drill-metrics",
  "kubernetes:core/v1:Secret naytife-postgres-restore-drill-role",
  "kubernetes:core/v1:Secret naytife-postgres-restore-drill-signing",
  "kubernetes:core/v1:Secret naytife-postgres-restore-drill-superuser",
  "kubernetes:core/v1:ServiceAccount naytife-postgres-restore-drill",
  "kubernetes:postgresql.cnpg.io/v1:Database naytife-postgres-drill-database",
  "kubernetes:postgresql.cnpg.io/v1:DatabaseRole naytife-postgres-drill-role",
  "kubernetes:rbac.authorization.k8s.io/v1:Role naytife-postgres-restore-drill",
  "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding naytife-postgres-restore-drill",
  "naytife:postgres:RestoreDrill restore-drill",
  "random:index/randomPassword:RandomPassword restore-drill-role",
  "random:index/randomPassword:RandomPassword restore-drill-signing",
  "random:index/randomPassword:RandomPassword restore-drill-superuser",
];

/** What every stack has but for its bucket; the storage class goes by the stack's provider of volumes. */
const expected = ({ storageClass, instances }: { storageClass: string; instances: number }): string[] => [
  "command:local:Command archiving-command",
  `command:local:Command growth-settled-${instances}`,
  "command:local:Command migration-engine",
  "kubernetes:barmancloud.cnpg.io/v1:ObjectStore naytife-postgres-backups",
  "kubernetes:core/v1:Namespace cnpg-system",
  "kubernetes:core/v1:Namespace namespace",
  "kubernetes:core/v1:Secret barman-cloud-client-tls",
  "kubernetes:core/v1:Secret barman-cloud-server-tls",
  "kubernetes:core/v1:Secret cnpg-cluster-secret",
  "kubernetes:core/v1:Secret naytife-postgres-connection",
  "kubernetes:helm.sh/v3:Release cloudnative-pg",
  "kubernetes:policy/v1:PodDisruptionBudget naytife-postgres-pooler",
  "kubernetes:postgresql.cnpg.io/v1:Cluster naytife-postgres",
  "kubernetes:postgresql.cnpg.io/v1:ClusterPatch naytife-postgres-size",
  "kubernetes:postgresql.cnpg.io/v1:Pooler naytife-postgres-pooler",
  "kubernetes:postgresql.cnpg.io/v1:ScheduledBackup backup-schedule-daily",
  `kubernetes:storage.k8s.io/v1:StorageClass ${storageClass}`,
  ...(storageClass === "cnpg-oci-storage"
    ? [`kubernetes:storage.k8s.io/v1:StorageClass ${storageClass}-throw-away`]
    : []),
  "naytife:postgres:Archive archive",
  "naytife:postgres:ArchivingCheck archiving",
  "naytife:postgres:BackupSchedule backup-schedule",
  "naytife:postgres:BarmanPlugin backup-plugin",
  "naytife:postgres:Cluster cluster",
  "naytife:postgres:Connection connection",
  "naytife:postgres:Credentials credentials",
  "naytife:postgres:Growth growth",
  "naytife:postgres:Migration migration",
  "naytife:postgres:Namespace namespace",
  "naytife:postgres:Operator operator",
  "naytife:postgres:Pooler pooler",
  "naytife:postgres:Storage storage",
  "random:index/randomPassword:RandomPassword backup-plugin-keys",
  "random:index/randomPassword:RandomPassword credentials-password",
  ...restoreDrill,
];

const table = {
  local: { storageClass: "cnpg-local-storage", instances: 1 },
  staging: { storageClass: "cnpg-oci-storage", instances: 2 },
  production: { storageClass: "cnpg-oci-storage", instances: 3 },
};

test.each(stackNames)(
  "the preview of %s is green without a cluster, and lists what the stack has",
  async (stack) => {
    const { resources } = await preview({ stack, stateDirectory });
    const listed = resources.map(({ type, name }) => `${type} ${name}`);
    // Objects of the plugin's manifest have their kind in their name.
    const ofManifest = /^kubernetes:\S+:(\w+) \1-/;
    expect(listed.filter((line) => ofManifest.test(line)).length).toBeGreaterThan(10);
    const ofBucket = (line: string) =>
      line.startsWith("oci:") || /OciBucket|oci(?!-storage)|cnpg-backup-secret/.test(line);
    const others = listed.filter((line) => !ofManifest.test(line) && (stack === "local" || !ofBucket(line)));
    expect(others.sort()).toEqual([...expected(table[stack]), ...(stack === "local" ? localBucket : [])].sort());
    expect(new Set(resources.map(({ operation }) => operation))).toEqual(new Set(["create"]));
  },
  60_000,
);

test("a stack that is not there is refused with the names of those that are", async () => {
  const { code, stderr } = await new Promise<{ code: unknown; stderr: string }>((resolve) => {
    const script = join(__dirname, "../../local/engine/preview.ts");
    execFile(process.execPath, ["--import", "tsx", script, "prod"], (error, _stdout, stderr) => {
      resolve({ code: error?.code, stderr });
    });
  });
  expect(code).toBe(1);
  expect(stderr).toContain('There is no stack "prod": expected one of local, staging, production');
}, 30_000);

test("up of production is refused where a stand-in is at hand, and Pulumi's own where none is", async () => {
  const { stack, plugins } = await openStackWithPlugins({ stack: "production", stateDirectory });
  if (plugins.every(({ origin }) => origin === "official")) expect(Object.keys(stack)).not.toContain("up");
  else await expect(stack.up()).rejects.toThrow(/may change the stack production.*Nothing was changed/s);
}, 60_000);
