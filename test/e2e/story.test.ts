/**
 * The whole story, in the order in which it happens to a person: a legacy database with orders in it, `up`, the plan's Phase 9,
 * drift, a lost state, and destroy. Each test goes on where the one before it ended. That a second `up` changes nothing is in growth.test.ts.
 */
import type { EngineEvent, OutputMap, Stack } from "@pulumi/pulumi/automation";
import type { EmbeddedCluster } from "../../local/kubernetes/cluster";
import { kubectl, psqlInPod, until } from "./kubectl";
import { LocalStack } from "./local-stack";

const local = new LocalStack("story");
const { namespace } = local;
const minutes = 60_000;

let cluster: EmbeddedCluster;
let stack: Stack;
let outputs: OutputMap;
/** Every one that was in use, for the search for secrets. */
const passwords = new Set<string>();

const get = (...args: string[]) => kubectl(cluster, ["-n", namespace, "get", ...args]);
const field = async (path: string, ...args: string[]) => (await get(...args, "-o", `jsonpath=${path}`)).trim();
const primary = () =>
  field("{.items[0].metadata.name}", "pod", "-l", "cnpg.io/cluster=naytife-postgres,cnpg.io/instanceRole=primary");
const inTarget = async (sql: string, database = "naytifedb") =>
  psqlInPod(cluster, { namespace, name: await primary(), user: "postgres" }, database, sql);
const inLegacy = (sql: string, database = "naytifedb") =>
  psqlInPod(cluster, { namespace, name: "deploy/postgres", user: "naytife" }, database, sql);
/** From a client pod, with the URL on standard input: never in a command's text. */
const fromApplication = (url: string, sql: string) =>
  kubectl(
    cluster,
    [
      "-n",
      namespace,
      "exec",
      "-i",
      "deploy/application",
      "--",
      "bash",
      "-c",
      'IFS= read -r url; exec psql -XAtq "$url"',
    ],
    `${url}\n${sql}\n`,
  );

/** Rows of each table of the shop, exact, and a hash of them that no order changes. Of a partitioned table, all of it at once. */
const fingerprint = `
  SET search_path = ''; -- a regclass is printed by it
  SELECT n.nspname || '.' || c.relname,
         (xpath('/row/f/text()', query_to_xml(format(
           'SELECT count(*) || '':'' || coalesce(sum((''x'' || substr(md5(t::text), 1, 12))::bit(48)::bigint), 0) AS f FROM %s %I.%I t',
           CASE c.relkind WHEN 'r' THEN 'ONLY' END, n.nspname, c.relname), false, true, '')))[1]
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname IN ('hydra', 'naytife_schema')
   ORDER BY (n.nspname || '.' || c.relname) COLLATE "C";`;

jest.setTimeout(10 * minutes);

beforeAll(async () => {
  cluster = await local.begin("10MB");
});

afterAll(() => local.end());

const log: string[] = [];
const quietly = { onOutput: (text: string) => log.push(text), color: "never" } as const;

test(
  "up brings up operator, cluster and pooler, and migrates",
  async () => {
    stack = await local.open("first");
    await stack.up(quietly);
    outputs = await local.outputs();
    passwords.add(new URL(outputs.DATABASE_URL!.value as string).password);
    expect(outputs.DATABASE_URL).toMatchObject({ secret: true });
    expect(outputs.migrationReport?.value).toMatchObject({ schema: { equal: true } });
  },
  20 * minutes,
);

test("the cluster is healthy, its primary runs and is found by label", async () => {
  expect(await field("{.status.phase}", "cluster.postgresql.cnpg.io", "naytife-postgres")).toBe(
    "Cluster in healthy state",
  );
  expect(await field("{.status.phase}", "pod", await primary())).toBe("Running");
});

test("the pooler is ready", async () => {
  expect(await field("{.status.phase}", "pooler.postgresql.cnpg.io", "naytife-postgres-pooler")).toBe("active");
  expect(await field("{.status.availableReplicas}", "deployment", "naytife-postgres-pooler")).toBe("2");
});

test("a Deployment that takes DATABASE_URL from the Secret becomes ready", async () => {
  const application = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "application", namespace },
    spec: {
      selector: { matchLabels: { app: "application" } },
      template: {
        metadata: { labels: { app: "application" } },
        spec: {
          terminationGracePeriodSeconds: 1,
          containers: [
            {
              name: "application",
              image: cluster.postgresImage,
              imagePullPolicy: "IfNotPresent",
              command: ["sleep", "infinity"],
              envFrom: [{ secretRef: { name: "naytife-postgres-connection" } }],
              readinessProbe: {
                exec: { command: ["bash", "-c", 'psql -XAtqc "SELECT 1" "$DATABASE_URL"'] },
                timeoutSeconds: 5,
              },
            },
          ],
        },
      },
    },
  };
  await kubectl(cluster, ["apply", "-f", "-"], JSON.stringify(application));
  await kubectl(cluster, ["-n", namespace, "rollout", "status", "deployment/application", "--timeout=300s"]);
});

test("the stack's URLs answer from a pod, to the database and through the pooler", async () => {
  const pooled = outputs.DATABASE_URL!.value as string;
  const direct = outputs.DATABASE_URL_DIRECT!.value as string;
  expect(pooled).toMatch(
    /^postgresql:\/\/naytife:[^@]+@naytife-postgres-pooler\.naytife\.svc:5432\/naytifedb\?sslmode=require$/,
  );
  expect(direct).toContain("@naytife-postgres-rw.naytife.svc:5432/");
  // The search_path is the role's own, as the legacy database had it: orders is found without its schema.
  const question = "SELECT current_user, current_database(), count(*) > 0 FROM orders;";
  for (const url of [pooled, direct]) expect((await fromApplication(url, question)).trim()).toBe("naytife|naytifedb|t");
});

test("the data is the legacy's, table by table", async () => {
  const there = await inTarget(fingerprint);
  expect(there.split("\n").length).toBeGreaterThan(20);
  // The migration has sealed the legacy database: it is opened for the comparison only.
  await inLegacy("ALTER DATABASE naytifedb ALLOW_CONNECTIONS true", "postgres");
  try {
    expect(await inLegacy(fingerprint)).toBe(there);
  } finally {
    await inLegacy("ALTER DATABASE naytifedb ALLOW_CONNECTIONS false", "postgres");
  }
});

test("drift is seen by a refreshing preview and mended by up", async () => {
  const pooler = ["pooler.postgresql.cnpg.io", "naytife-postgres-pooler"] as const;
  const patch = JSON.stringify({ spec: { pgbouncer: { parameters: { max_db_connections: "7" } } } });
  await kubectl(cluster, ["-n", namespace, "patch", ...pooler, "--type=merge", "-p", patch]);
  const seen: string[] = [];
  await stack.preview({
    ...quietly,
    refresh: true,
    onEvent: ({ resourcePreEvent: event }: EngineEvent) => {
      if (event?.metadata.op === "update") seen.push(event.metadata.urn.split("::").at(-1)!);
    },
  });
  expect(seen).toContain("naytife-postgres-pooler");
  await stack.up({ ...quietly, refresh: true });
  expect(await field("{.spec.pgbouncer.parameters.max_db_connections}", ...pooler)).toBe("25");
});

const production = { protect: "true", retainOnDelete: "true" };

test("a lost stack state plus up adopts what is there and moves nothing", async () => {
  const sentinel = "SELECT count(*) FROM naytife_schema.orders";
  const marker = "SELECT run, completed FROM naytife_migration.marker";
  const [orders, moved] = [await inTarget(sentinel), await inTarget(marker, "postgres")];
  const uid = await field("{.metadata.uid}", "cluster.postgresql.cnpg.io", "naytife-postgres");
  stack = await local.open("second", production);
  await stack.up(quietly);
  outputs = await local.outputs();
  expect(await field("{.metadata.uid}", "cluster.postgresql.cnpg.io", "naytife-postgres")).toBe(uid);
  expect(await inTarget(sentinel)).toBe(orders);
  expect(await inTarget(marker, "postgres")).toBe(moved);
  // The password is a new one then, everywhere at once.
  const url = outputs.DATABASE_URL!.value as string;
  passwords.add(new URL(url).password);
  await until("the new password works through the pooler", 180, async () =>
    fromApplication(url, "SELECT 'in';").then(
      (answer) => (answer.trim() === "in" ? answer : undefined),
      () => undefined,
    ),
  );
});

test("no secret lies in the states, in the log, or in what the migration made", async () => {
  passwords.add(
    Buffer.from(await field("{.data.POSTGRES_PASSWORD}", "secret", "postgres-secret"), "base64").toString(),
  );
  expect(passwords.size).toBe(3); // The first stack's, the second's, and the legacy's.
  // As it lies in the backend: exportStack() decrypts.
  const searched = {
    "the first state": local.state("first"),
    "the second state": local.state("second"),
    "what the migration made": await get("configmap,job,pod,event", "-o", "yaml"),
    "the log": log.join("\n"),
  };
  for (const password of passwords) {
    expect(password.length).toBeGreaterThan(12);
    for (const shape of [password, Buffer.from(password).toString("base64")])
      for (const [where, text] of Object.entries(searched))
        if (text.includes(shape)) throw new Error(`a password lies in clear in ${where}`);
  }
});

test("with production's protection, destroy is refused and changes nothing", async () => {
  await expect(stack.destroy(quietly)).rejects.toThrow(/protect/);
  expect(await inTarget("SELECT count(*) > 0 FROM naytife_schema.orders")).toBe("t");
});

test("once unprotected, destroy forgets the database and leaves it running", async () => {
  stack = await local.open("second", { ...production, protect: "false" });
  await stack.up(quietly);
  await stack.destroy(quietly);
  expect(await inTarget("SELECT count(*) > 0 FROM naytife_schema.orders")).toBe("t");
});

test("the local stack's destroy removes the cluster and leaves the legacy database", async () => {
  // The state that was lost knows all that is there, and was made with the settings of local.
  stack = await local.open("first");
  await stack.destroy(quietly);
  expect((await get("cluster.postgresql.cnpg.io", "-o", "name")).trim()).toBe("");
  expect(await field("{.items[*].status.containerStatuses[*].restartCount}", "pod", "-l", "app=postgres")).toBe("0");
  await inLegacy("ALTER DATABASE naytifedb ALLOW_CONNECTIONS true", "postgres");
  expect(await inLegacy("SELECT count(*) > 0 FROM naytife_schema.orders")).toBe("t");
});
