/** The legacy database on the embedded cluster: seeded once, deterministic, whole in its oddities, and written to beside. */
import { sharedCluster } from "./cluster";
import { connect, podQuery, type Target } from "../../local/legacy/cluster";
import { fingerprintSql, inventory } from "../../local/legacy/fingerprint";
import {
  bringUpLegacy,
  connectionSecret,
  databaseBytes,
  legacyStatus,
  seedRecord,
  takeDownLegacy,
} from "../../local/legacy/legacy";
import { missing, startWriter, stopWriter, writerEnd } from "../../local/legacy/writer";

const image = "docker.io/library/postgres:15";
let first: Target;
let second: Target;

const query = (target: Target, sql: string, database?: string) =>
  podQuery(connect(target), target.namespace, sql, database);
const fingerprint = async (target: Target) =>
  Object.fromEntries(await query(target, fingerprintSql)) as Record<string, string>;
async function podUid(target: Target): Promise<string | undefined> {
  const pods = await connect(target).core.listNamespacedPod({
    namespace: target.namespace,
    labelSelector: "app=postgres",
  });
  return pods.items[0]?.metadata?.uid;
}

jest.setTimeout(300_000);

beforeAll(async () => {
  const { kubeconfig, context } = await sharedCluster();
  const suffix = Date.now().toString(36);
  first = { kubeconfig, context, namespace: `legacy-a-${suffix}` };
  second = { kubeconfig, context, namespace: `legacy-b-${suffix}` };
  await Promise.all([first, second].map((target) => bringUpLegacy({ ...target, size: "10MB", seed: 1, image })));
});

afterAll(async () => {
  await Promise.all(
    [first, second].map(async (target) => {
      await takeDownLegacy(target);
      await connect(target).core.deleteNamespace({ name: target.namespace });
    }),
  );
});

test("is the plan's Deployment, seeded and ready", async () => {
  const status = await legacyStatus(first);
  expect(status).toMatchObject({ exists: true, ready: true, record: { size: "10MB", seed: 1, finished: true } });
  const { spec } = await connect(first).apps.readNamespacedDeployment({ name: "postgres", namespace: first.namespace });
  expect(spec).toMatchObject({ replicas: 1, selector: { matchLabels: { app: "postgres" } } });
  expect(spec?.template.spec?.volumes?.find(({ name }) => name === "data")?.emptyDir).toBeDefined();
  const [server] = await query(
    first,
    "SELECT current_setting('server_version_num')::int / 10000, current_user, rolsuper FROM pg_roles WHERE rolname = current_user",
  );
  expect(server).toEqual(["15", "naytife", "t"]);
});

test("has the size that was asked for, within 15 %", async () => {
  const bytes = await databaseBytes(connect(first), first.namespace);
  expect(Math.abs(bytes / 10e6 - 1)).toBeLessThan(0.15);
});

test("up again does nothing, whatever is asked for", async () => {
  const [uid, before] = [await podUid(first), await fingerprint(first)];
  await bringUpLegacy({ ...first, size: "20MB", seed: 2, image });
  expect(await podUid(first)).toBe(uid);
  expect(await fingerprint(first)).toEqual(before);
});

test("holds every kind of thing that tools get wrong", async () => {
  const counts = await query(
    first,
    Object.entries(inventory)
      .map(([kind, sql]) => `SELECT '${kind.replaceAll("'", "''")}', (${sql}) >= 1`)
      .join(" UNION ALL "),
  );
  expect(counts).toHaveLength(Object.keys(inventory).length);
  expect(counts.filter(([, there]) => there !== "t")).toEqual([]);
});

test("the same seed and size give the same rows in every table", async () => {
  const tables = await fingerprint(first);
  expect(Object.keys(tables).length).toBeGreaterThan(70);
  expect(await fingerprint(second)).toEqual(tables);
});

test("a seed that never finished is dropped and made again, another seed gives other rows", async () => {
  const before = await fingerprint(second);
  const uid = await podUid(second);
  await query(second, "UPDATE naytife_legacy.seed SET finished_at = NULL", "postgres");
  await bringUpLegacy({ ...second, size: "10MB", seed: 2, image });
  expect(await seedRecord(connect(second), second.namespace)).toEqual({ size: "10MB", seed: 2, finished: true });
  expect(await podUid(second)).toBe(uid);
  const after = await fingerprint(second);
  expect(Object.keys(after)).toEqual(Object.keys(before));
  for (const table of [
    "orders",
    "order_items",
    "payments",
    "customers",
    "products",
    "variants",
    "hydra.hydra_oauth2_access",
  ])
    expect([table, after[table]]).not.toEqual([table, before[table] ?? "absent"]);
});

test("a database that no seed made is refused and left as it is", async () => {
  await query(second, "DELETE FROM naytife_legacy.seed", "postgres");
  const before = await fingerprint(second);
  await expect(bringUpLegacy({ ...second, size: "10MB", seed: 3, image })).rejects.toThrow(
    /relations that no seed made/,
  );
  expect(await fingerprint(second)).toEqual(before);
});

test("everything that the writer says was acknowledged is there, and a lost one is noticed", async () => {
  const writer = await startWriter(first, {
    name: "writer",
    image,
    periodMilliseconds: 100,
    durationSeconds: 5,
    url: await connectionSecret(first),
  });
  const log = await writerEnd(writer);
  await stopWriter(writer);
  expect(log.errors).toEqual([]);
  expect(log.acknowledged.length).toBeGreaterThan(10);
  const ask = (sql: string) => query(first, sql);
  expect(await missing(log.acknowledged, ask)).toEqual([]);
  const victim = log.acknowledged[3]!;
  await ask(`DELETE FROM naytife_schema.payments WHERE order_id = ${victim.id}`);
  expect(await missing(log.acknowledged, ask)).toEqual([victim]);
});

test("a writer that is stopped gives its log up to the last row", async () => {
  const url = await connectionSecret(first);
  const writer = await startWriter(first, {
    name: "stopped",
    image,
    periodMilliseconds: 50,
    durationSeconds: 600,
    url,
  });
  await new Promise((resolve) => setTimeout(resolve, 2000));
  const log = await stopWriter(writer);
  const [row] = await query(first, "SELECT count(*) FROM naytife_schema.orders WHERE note = 'stopped'");
  expect(log.acknowledged.length).toBeGreaterThan(5);
  // A write in flight at the end may be there without having been acknowledged; never the other way round.
  expect(Number(row?.[0]) - log.acknowledged.length).toBeGreaterThanOrEqual(0);
  expect(Number(row?.[0]) - log.acknowledged.length).toBeLessThanOrEqual(1);
  expect(await missing(log.acknowledged, (sql) => query(first, sql))).toEqual([]);
});

test("a wrong context is refused before anything is asked of a cluster", async () => {
  await expect(bringUpLegacy({ ...first, context: "nowhere", size: "10MB", seed: 1, image })).rejects.toThrow(
    /no context "nowhere".*Nothing was changed/,
  );
});
