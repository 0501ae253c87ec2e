/**
 * The README's way to move production: the Cluster first, in its full size, with the shop still at the old database; then the plan; then the migration, which loads
 * all instances. Each test goes on where the one before it ended.
 */
import type { EngineEvent, Stack } from "@pulumi/pulumi/automation";
import type { EmbeddedCluster } from "../../local/kubernetes/cluster";
import type { Plan } from "../../migration/engine/plan";
import { migrationSettings } from "../../migration/settings";
import { sourceWatchSpec } from "../../migration/source-watch";
import { valuesOf } from "../../local/stack-values";
import { kubectl, psqlInPod, until } from "./kubectl";
import { LocalStack } from "./local-stack";
import { runProgram } from "./migration-fixture";

const minutes = 60_000;
const clusterResource = "cluster.postgresql.cnpg.io/naytife-postgres";
const size = { instances: "2", synchronousReplicas: "1", dataDurability: "required" };
const local = new LocalStack("beforehand", size);
const { namespace } = local;

let cluster: EmbeddedCluster;
let stack: Stack;

const quietly = { onOutput: () => undefined, color: "never" } as const;
const ask = (name: string, database: string, sql: string) =>
  psqlInPod(cluster, { namespace, name, user: name === "deploy/postgres" ? "naytife" : "postgres" }, database, sql);
const get = async (path: string, ...args: string[]) =>
  (await kubectl(cluster, ["-n", namespace, "get", ...args, "-o", `jsonpath=${path}`])).trim();
const pods = () =>
  get('{range .items[*]}{.metadata.name}{" "}{.metadata.uid}{"\\n"}{end}', "pod", "-l", "cnpg.io/podRole=instance");
const replication = "SELECT application_name, state, sync_state FROM pg_stat_replication";
const streaming = "naytife-postgres-2|streaming|quorum";
const orders = "SELECT count(*), sum(hashtextextended(o::text, 0)) FROM naytife_schema.orders o";

/** The pods of the full Cluster, before there is anything in it. */
let before: string;

jest.setTimeout(10 * minutes);

beforeAll(async () => {
  cluster = await local.begin("10MB");
});

afterAll(() => local.end());

test(
  "without the migration the Cluster comes in its full size, and the old database goes on",
  async () => {
    stack = await local.open("beforehand", { migrationEnabled: "false" });
    await stack.up(quietly);
    expect(await ask("naytife-postgres-1", "postgres", replication)).toBe(streaming);
    before = await pods();
    expect(before.split("\n")).toHaveLength(2);
    expect(await ask("deploy/postgres", "naytifedb", "SHOW transaction_read_only")).toBe("off");
    expect(await ask("naytife-postgres-1", "naytifedb", "SELECT to_regclass('naytife_schema.orders') IS NULL")).toBe(
      "t",
    );
  },
  20 * minutes,
);

test("the plan finds nothing in the way of it", async () => {
  const { kubeconfig, context } = cluster;
  const of = ["--kubeconfig", kubeconfig, "--context", context, "--config", `namespace=${namespace}`];
  const { code, output } = await runProgram(["migration/main.ts", "plan", "--json", ...of], {});
  expect(code).toBe(1);
  expect((JSON.parse(output) as Plan).findings.filter(({ severity }) => severity === "blocker")).toEqual([]);
});

test(
  "the migration loads both instances: the same pods, and the replica has the rows",
  async () => {
    stack = await local.open("beforehand");
    await stack.up(quietly);
    expect(await pods()).toBe(before);
    expect(await get("{.spec.instances}", clusterResource)).toBe("2");
    expect(await ask("naytife-postgres-1", "postgres", replication)).toBe(streaming);
    const moved = await ask("naytife-postgres-1", "naytifedb", orders);
    expect(await ask("naytife-postgres-2", "naytifedb", orders)).toBe(moved);
    expect(Number(moved.split("|")[0])).toBeGreaterThan(0);
    const { migrationReport, migrationTimeToSafe } = await local.outputs();
    expect(migrationReport?.value).toMatchObject({ schema: { equal: true } });
    expect(migrationTimeToSafe?.value).toMatchObject({ instances: 2 });
  },
  20 * minutes,
);

test("where not everybody may connect, the operator's exporter and the restore drill may", async () => {
  const mayConnect = (role: string) =>
    ask("naytife-postgres-1", "postgres", `SELECT has_database_privilege('${role}', 'naytifedb', 'CONNECT')`);
  // Of the streaming replicas, which has what PUBLIC has.
  expect(await mayConnect("streaming_replica")).toBe("f");
  expect(await mayConnect("cnpg_metrics_exporter")).toBe("t");
  // The drill's role is a member of it, and is made later.
  expect(await mayConnect("pg_monitor")).toBe("t");
});

test("up again changes nothing", async () => {
  const changed: string[] = [];
  const onEvent = ({ resourcePreEvent: event }: EngineEvent) => {
    if (event !== undefined && event.metadata.op !== "same") changed.push(`${event.metadata.op} ${event.metadata.urn}`);
  };
  await stack.up({ ...quietly, onEvent });
  expect(changed).toEqual([]);
  expect(await pods()).toBe(before);
});

/** The Job that the CronJob of the stack makes where there is monitoring. @returns whether it ended well, and what it said */
async function look(name: string): Promise<{ readonly well: boolean; readonly said: string }> {
  const values = valuesOf("local", { kubeconfig: cluster.kubeconfig, kubeContext: cluster.context });
  const { jobTemplate } = sourceWatchSpec(
    "naytife-postgres-source-watch",
    migrationSettings(values),
    cluster.postgresImage,
  );
  const spec = { ...jobTemplate.spec, ttlSecondsAfterFinished: undefined };
  const job = { apiVersion: "batch/v1", kind: "Job", metadata: { name, namespace }, spec };
  await kubectl(cluster, ["apply", "-f", "-"], JSON.stringify(job));
  const ended = await until(`the end of Job ${name}`, 120, async () => {
    const conditions = await get('{.status.conditions[?(@.status=="True")].type}', `job/${name}`);
    return /Complete|Failed/.exec(conditions)?.[0];
  });
  return { well: ended === "Complete", said: await kubectl(cluster, ["-n", namespace, "logs", `job/${name}`]) };
}

test("who looks at the old database finds it sealed, and finds it open when somebody has opened it", async () => {
  const sealed = await look("look-sealed");
  expect(sealed.said).toContain("the old database naytifedb at postgres is sealed");
  expect(sealed.well).toBe(true);
  const open = (to: boolean) =>
    psqlInPod(
      cluster,
      { namespace, name: "deploy/postgres", user: "naytife" },
      "postgres",
      `ALTER DATABASE naytifedb WITH ALLOW_CONNECTIONS ${to}`,
    );
  await open(true);
  const opened = await look("look-open");
  await open(false);
  expect(opened.well).toBe(false);
  expect(opened.said).toContain("takes connections, though the migration sealed it");
});
