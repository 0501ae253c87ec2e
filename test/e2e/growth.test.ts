/**
 * The Cluster is loaded as a lone instance and grows to its full size in the same `up`; whatever is done to the stack after that, its instances
 * stay: the same pods, the same synchronous replication. The old host name leads to it from the switch on. Each test goes on where the one before it ended.
 */
import type { EngineEvent, Stack } from "@pulumi/pulumi/automation";
import type { EmbeddedCluster } from "../../local/kubernetes/cluster";
import { withCheckpointsAtOnce } from "../../local/checkpoints";
import { kubectl, psqlInPod } from "./kubectl";
import { LocalStack } from "./local-stack";

const minutes = 60_000;
const clusterResource = "cluster.postgresql.cnpg.io/naytife-postgres";
const local = new LocalStack("growth", { instances: "2", synchronousReplicas: "1", dataDurability: "required" });
const { namespace } = local;

let cluster: EmbeddedCluster;
let stack: Stack;

const log: string[] = [];
const quietly = { onOutput: (text: string) => log.push(text), color: "never" } as const;

const field = async (path: string, ...args: string[]) =>
  (await kubectl(cluster, ["-n", namespace, "get", ...args, "-o", `jsonpath=${path}`])).trim();
const inTarget = async (sql: string) =>
  psqlInPod(
    cluster,
    { namespace, name: await field("{.status.currentPrimary}", clusterResource), user: "postgres" },
    "postgres",
    sql,
  );

const inSource = async (sql: string) =>
  psqlInPod(cluster, { namespace, name: "deploy/postgres", user: "naytife" }, "naytifedb", sql);

/** With the password that clients of the old host name have. */
async function open(backend: string, config: Readonly<Record<string, string>> = {}): Promise<Stack> {
  const password = await field("{.data.POSTGRES_PASSWORD}", "secret", "postgres-secret");
  const databasePassword = { secret: Buffer.from(password, "base64").toString() };
  return local.open(backend, { migrationAlias: "true", databasePassword, ...config });
}

/** What a client of the old host name is told, with the old URL. */
async function byTheOldName(sql: string): Promise<string> {
  const client = `PGPASSWORD=$POSTGRES_PASSWORD psql -XAtq -h postgres -U "$POSTGRES_USER" -d "$POSTGRES_DB"`;
  const exec = ["-n", namespace, "exec", "-i", "deploy/postgres", "--", "bash", "-c", client];
  return (await kubectl(cluster, exec, sql)).trim();
}

/** What must not change: how many instances shall be there, who confirms commits, which pods run, and which of them streams. */
async function instances(): Promise<Record<"wanted" | "synchronous" | "pods" | "replicas", string>> {
  const pods = '{range .items[*]}{.metadata.name}{" "}{.metadata.uid}{"\\n"}{end}';
  return {
    wanted: await field("{.spec.instances}", clusterResource),
    synchronous: await field("{.spec.postgresql.synchronous}", clusterResource),
    pods: await field(pods, "pod", "-l", "cnpg.io/podRole=instance"),
    replicas: await inTarget("SELECT application_name, state, sync_state FROM pg_stat_replication ORDER BY 1"),
  };
}

let grown: Awaited<ReturnType<typeof instances>>;

jest.setTimeout(10 * minutes);

beforeAll(async () => {
  cluster = await local.begin("10MB");
});

afterAll(() => local.end());

/** What the source knows of its user's password. */
let password: string;

test("a migration that fails leaves a lone instance that waits for nobody", async () => {
  stack = await open("first");
  password = await inSource("SELECT rolpassword FROM pg_authid WHERE rolname = 'naytife'");
  await inSource("ALTER ROLE naytife PASSWORD 'changed-meanwhile'");
  await expect(stack.up(quietly)).rejects.toThrow(/cannot log in to the source/);
  await inSource(`ALTER ROLE naytife PASSWORD '${password}'`);
  expect(await byTheOldName("SELECT split_part(version(), ' ', 2)")).toMatch(/^15\./);
  expect(await instances()).toMatchObject({ wanted: "1", synchronous: "", replicas: "" });
});

test(
  "the next up loads it, then lets the Cluster grow, and ends when all instances stream",
  async () => {
    await stack.up(quietly);
    grown = await instances();
    expect(grown).toMatchObject({
      wanted: "2",
      synchronous: '{"dataDurability":"required","failoverQuorum":true,"method":"any","number":1}',
      replicas: "naytife-postgres-2|streaming|quorum",
    });
    expect(await byTheOldName("SELECT split_part(version(), ' ', 2), count(*) > 0 FROM orders")).toMatch(/^17\..*\|t$/);
    // The replica was begun only after the last row was verified.
    const completed = Date.parse(await inTarget("SELECT completed FROM naytife_migration.marker"));
    const joined = await field(
      "{.items[0].metadata.creationTimestamp}",
      "persistentvolumeclaim",
      "-l",
      "cnpg.io/instanceName=naytife-postgres-2",
    );
    expect(Date.parse(joined)).toBeGreaterThanOrEqual(completed - 1000); // Kubernetes counts whole seconds.
    const safe = (await local.outputs()).migrationTimeToSafe?.value as { seconds: number; instances: number };
    expect(safe.instances).toBe(2);
    const began = Date.parse(
      await inTarget("SELECT min(started) FROM naytife_migration.phase JOIN naytife_migration.marker USING (run)"),
    );
    expect(safe.seconds).toBeGreaterThan((completed - began) / 1000);
    expect(JSON.parse(await inTarget("SELECT time_to_safe FROM naytife_migration.marker"))).toEqual(safe);
    process.stderr.write(
      `verified after ${((completed - began) / 1000).toFixed(1)} s, all instances streamed after ${safe.seconds} s\n`,
    );
  },
  20 * minutes,
);

test("up again, with a refresh, changes nothing and moves nothing", async () => {
  const moved = "SELECT run, completed FROM naytife_migration.marker";
  const before = await inTarget(moved);
  const changed: string[] = [];
  const onEvent = ({ resourcePreEvent: event }: EngineEvent) => {
    if (event !== undefined && !["same", "refresh", "read"].includes(event.metadata.op))
      changed.push(`${event.metadata.op} ${event.metadata.urn}`);
  };
  await stack.up({ ...quietly, refresh: true, onEvent });
  expect(changed).toEqual([]);
  expect(await inTarget(moved)).toBe(before);
  expect(await instances()).toEqual(grown);
});

const logged = () => field("{.spec.postgresql.parameters.log_min_duration_statement}", clusterResource);

test("a lost state, and another setting of the Cluster, leave its size and what was recorded", async () => {
  const recorded = await inTarget("SELECT time_to_safe FROM naytife_migration.marker");
  stack = await open("second", { logMinDurationStatement: "2000" });
  await stack.up(quietly);
  expect(await logged()).toBe("2000");
  expect(await instances()).toEqual(grown);
  expect(await inTarget("SELECT time_to_safe FROM naytife_migration.marker")).toBe(recorded);
});

test("switching the migration off leaves its size, while that setting is taken back", async () => {
  stack = await open("second", { migrationEnabled: "false" });
  await stack.up(quietly);
  expect(await logged()).toBe("1000");
  expect(await instances()).toEqual(grown);
});

test("switching it on again with one more instance is one up, and the others stay", async () => {
  stack = await open("second", { instances: "3" });
  await withCheckpointsAtOnce(inTarget, () => stack.up(quietly));
  const more = await instances();
  expect(more).toMatchObject({ wanted: "3", synchronous: grown.synchronous });
  expect(more.pods).toContain(grown.pods);
  expect(more.replicas).toBe("naytife-postgres-2|streaming|quorum\nnaytife-postgres-3|streaming|quorum");
  grown = more;
});

test("destroying the patch alone leaves its size", async () => {
  const { resources } = (await stack.exportStack()).deployment as { resources: { urn: string }[] };
  const patch = resources.find(({ urn }) => urn.endsWith("::naytife-postgres-size"))!.urn;
  await stack.destroy({ ...quietly, target: [patch], targetDependents: true });
  expect(await instances()).toEqual(grown);
});
