/** The way back on a real cluster: two writers through the whole life of a migration, one to each database, and nothing that either was told is lost. */
import { connectionSecret } from "../../local/legacy/legacy";
import { acknowledged, missing, startWriter, stopWriter, type Writer, type WriterLog } from "../../local/legacy/writer";
import type { RollbackReport, Side } from "../../migration/engine/record";
import { activeVariable, settingsVariable } from "../../migration/engine/settings";
import { connectionUrl } from "../../postgresql/connection-url";
import { kubectl, until } from "./kubectl";
import {
  applyPooler,
  killJob,
  legacyImage,
  migrationFixture,
  type MigrationFixture,
  type Outcome,
  poolerRuns,
  runProgram,
} from "./migration-fixture";

let fixture: MigrationFixture;
let old: Writer;
let pooled: Writer;
/** What the tables below held on the new database before the rollback. */
let expected: string;
/** Of the old database, as its Secret held it. */
let legacyPassword: string;
/** Everything that any command of this file said, for the search for secrets. */
let said = "";

const legacyTarget = () => ({ ...fixture.target, namespace: fixture.namespace });

function apply(...objects: object[]): Promise<string> {
  const text = objects.map((object) => JSON.stringify(object)).join("\n---\n");
  return kubectl(fixture.target, ["-n", fixture.namespace, "apply", "--server-side", "-f", "-"], text);
}

async function heard(running: Promise<Outcome>): Promise<Outcome> {
  const outcome = await running;
  said += outcome.output + outcome.errors;
  return outcome;
}

/** The engine as `up` runs it, under a stack that takes `active` for the database in use. */
function up(active: Side = "target"): Promise<Outcome> {
  const environment = { [settingsVariable]: JSON.stringify(fixture.settings), [activeVariable]: active };
  return heard(runProgram(["migration/engine/main.ts"], environment));
}

/** `npm run migration -- …` for this namespace; `onLine` sees each line that it says. */
function command(args: readonly string[], onLine?: (line: string) => void): Promise<Outcome> {
  const { kubeconfig, context } = fixture.target;
  const where = ["--stack", "local", "--kubeconfig", kubeconfig, "--context", context];
  const all = ["migration/main.ts", ...args, ...where, "--config", `namespace=${fixture.namespace}`];
  return heard(runProgram(all, { XDG_CACHE_HOME: process.env.XDG_CACHE_HOME }, onLine));
}

/** Kills the Job, `after` milliseconds from the first line that matches. */
function killJobAt(pattern: RegExp, after: number): { onLine: (line: string) => void; killed: () => Promise<void> } {
  let kill: Promise<void> | undefined;
  return {
    onLine: (line) => {
      if (kill === undefined && pattern.test(line)) {
        kill = new Promise((resolve) => setTimeout(resolve, after)).then(() => killJob(legacyTarget()));
      }
    },
    killed: () => kill ?? Promise.reject(new Error(`it was never said: ${pattern.source}`)),
  };
}

const newDatabase = (host: string) =>
  connectionUrl({ username: "naytife", password: fixture.targetPassword, host, port: 5432, database: "naytifedb" });

/** The Secret of applications, as `up` applies it for the new database. */
function connectionOf(direct: string, pool: string): object {
  const encoded = (url: string) => Buffer.from(url).toString("base64");
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "naytife-postgres-connection" },
    data: { DATABASE_URL: encoded(pool), DATABASE_URL_DIRECT: encoded(direct) },
  };
}
const newConnection = () => connectionOf(newDatabase("naytife-postgres-rw"), newDatabase("naytife-postgres-pooler"));

jest.setTimeout(300_000);

beforeAll(async () => {
  // The operator makes an extension in the new database that the old one has not, as soon as such a parameter is there.
  fixture = await migrationFixture("rollback", { size: "10MB", parameters: { "pg_stat_statements.max": "1000" } });
  legacyPassword = await fixture.k("get", "secret", "postgres-secret", "-o", "jsonpath={.data.POSTGRES_PASSWORD}");
  await apply(
    newConnection(),
    // The writer's own: it stays with the new database when the other one turns.
    {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "pooled-connection" },
      stringData: { url: newDatabase("naytife-postgres-pooler") },
    },
  );
  await applyPooler(fixture, 1);
  await poolerRuns(fixture);
  const common = { image: legacyImage, periodMilliseconds: 100, durationSeconds: 900 };
  old = await startWriter(legacyTarget(), { ...common, name: "old", url: await connectionSecret(legacyTarget()) });
  pooled = await startWriter(legacyTarget(), {
    ...common,
    name: "pooled",
    url: { secret: "pooled-connection", key: "url" },
  });
});

afterAll(async () => {
  await fixture.takeDown();
});

/** Waits until a writer was told of more than `than` orders. */
async function moreThan(writer: Writer, than: number): Promise<number> {
  return until(`more than ${than} orders of ${writer.name}`, 180, async () => {
    const count = (await acknowledged(writer)).length;
    return count > than ? count : undefined;
  });
}

const onSource = async (sql: string) => (await fixture.legacy(sql)).split("\n").map((line) => line.split("|"));

/** One row of every kind of change that {@link changes} makes. */
const look = `
SET search_path = naytife_schema, extensions, public;
SELECT md5(string_agg(t::text, ' ' ORDER BY id)) FROM customers t;
SELECT md5(string_agg(t::text, ' ' ORDER BY id)) FROM structures t;
SELECT md5(string_agg(t::text, ' ' ORDER BY t::text COLLATE "C")) FROM watched t;
SELECT md5(string_agg(t::text, ' ' ORDER BY t::text COLLATE "C")) FROM employees t;
SELECT md5(string_agg(t::text, ' ' ORDER BY t::text COLLATE "C")) FROM no_primary_key t;
SELECT md5(string_agg(t::text, ' ' ORDER BY t::text COLLATE "C")) FROM by_status t;
SELECT md5(string_agg(t::text, ' ' ORDER BY t::text COLLATE "C")) FROM "Odd ""Schema"" $1.ü"."select" t;
SELECT md5(string_agg(t::text, ' ' ORDER BY t::text COLLATE "C")) FROM typed t;
SELECT md5(string_agg(t::text, ' ' ORDER BY t::text COLLATE "C")) FROM not_valid t;
SELECT count(*) FROM trigger_log UNION ALL SELECT count(*) FROM page_views UNION ALL SELECT count(*) FROM no_columns;
SELECT count(*), sum(total), min(tableoid::regclass::text), max(tableoid::regclass::text) FROM orders WHERE note = 'after';
SELECT last_value, is_called FROM invoice_number;
SELECT last_value, is_called FROM never_called;
SELECT oid, md5(lo_get(oid)) FROM pg_largeobject_metadata ORDER BY oid;
SELECT obj_description(910099, 'pg_largeobject');`;

const changes = `
SET search_path = naytife_schema, extensions, public;
BEGIN;
INSERT INTO orders (placed_at, shop_id, customer_id, status, total, note)
  SELECT date '2026-01-15' + i * interval '20 days', 1, (SELECT min(id) FROM customers), 'paid', i, 'after' FROM generate_series(-3, 3) AS i;
UPDATE customers SET email = email || '.new' WHERE id % 7 = 0;
DELETE FROM order_items WHERE ctid IN (SELECT ctid FROM order_items LIMIT 50);
TRUNCATE trigger_log, page_views;
UPDATE structures SET jb = '{"a": [1, {"b": "\\u1e9e"}]}' WHERE id = 1;
INSERT INTO structures (id) VALUES (99);
UPDATE watched SET v = v || '!' WHERE id > 5;
INSERT INTO watched VALUES (1000, 'x', now());
DELETE FROM employees WHERE id = (SELECT max(id) FROM employees);
INSERT INTO no_columns DEFAULT VALUES;
DELETE FROM no_primary_key WHERE ctid = (SELECT min(ctid) FROM no_primary_key);
UPDATE by_status SET status = 'cancelled' WHERE ctid IN (SELECT ctid FROM by_status LIMIT 50);
UPDATE "Odd ""Schema"" $1.ü"."select" SET "a.b" = E'tab\\t newline\\n \\\\. \\\\N';
UPDATE big_values SET lz4 = external WHERE id = 1;
UPDATE events SET what = what || '!';
SELECT nextval('invoice_number'), nextval('never_called');
SET LOCAL ROLE naytife;
SELECT lo_put(910003, 100, '\\xdeadbeef');
SELECT lo_unlink(910002);
SELECT lo_from_bytea(910099, decode(repeat('00ff', 3000), 'hex'));
GRANT SELECT ON LARGE OBJECT 910099 TO shop_readers;
COMMENT ON LARGE OBJECT 910099 IS 'after';
COMMIT;
REFRESH MATERIALIZED VIEW shop_totals;
ALTER ROLE hydra_app CONNECTION LIMIT 21;`;

test("before a migration there is nothing to go back from", async () => {
  const { code, errors } = await command(["rollback"]);
  expect(errors).toContain("no finished migration");
  expect(errors).toContain("Nothing was changed");
  expect(code).toBe(1);
});

test("the data moves under both writers, and what is written to the new database afterwards is of every kind", async () => {
  await moreThan(old, 10);
  const moved = await up();
  expect(moved.errors).toContain("verify");
  expect(moved.code).toBe(0);
  await moreThan(pooled, 10);
  await fixture.primary(changes);
  expected = await fixture.primary(look);
});

test("a definition that was changed since is named, and both databases are as they were", async () => {
  await fixture.primary("ALTER TABLE naytife_schema.shops ADD COLUMN added_since integer");
  const { code, errors } = await command(["rollback"]);
  await fixture.primary("ALTER TABLE naytife_schema.shops DROP COLUMN added_since");
  expect(errors).toMatch(/altered since the cut-over[^]*added_since integer/);
  expect(errors).toContain("The new database is the database, and open as before; the old one is closed as before.");
  expect(code).toBe(1);
  const state = await fixture.legacy(
    "SELECT datname, datallowconn FROM pg_database WHERE datname ~ 'naytifedb'",
    "postgres",
  );
  expect(state).toBe("naytifedb|f");
  await moreThan(pooled, (await acknowledged(pooled)).length);
});

test("a row that somebody wrote to the old database meanwhile is not overwritten", async () => {
  const behind = async (...statements: string[]) => {
    await fixture.legacy("ALTER DATABASE naytifedb WITH ALLOW_CONNECTIONS true", "postgres");
    await fixture.legacy(`SET default_transaction_read_only = off; ${statements.join("; ")}`);
    await fixture.legacy("ALTER DATABASE naytifedb WITH ALLOW_CONNECTIONS false", "postgres");
    await fixture.legacy(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'naytifedb'",
      "postgres",
    );
  };
  await behind("INSERT INTO naytife_schema.empty_table VALUES (1, 'written behind our back')");
  const { code, errors } = await command(["rollback"]);
  expect(errors).toContain("somebody wrote to it since (naytife_schema.empty_table)");
  expect(code).toBe(1);
  await behind("DELETE FROM naytife_schema.empty_table");
});

test("killed while it carries the rows, then while it compares: neither database is open half, and the next run goes on", async () => {
  for (const [pattern, after] of [
    [/carry back: \d+ tables differ/, 300],
    [/verify …/, 500],
  ] as const) {
    const job = killJobAt(pattern, after);
    const { code, errors } = await command(["rollback"], job.onLine);
    await job.killed();
    expect(errors).toContain("ended from outside");
    expect(code).toBe(1);
    expect(await fixture.primary("SELECT datconnlimit FROM pg_database WHERE datname = 'naytifedb'")).toBe("0");
  }
  expect((await command(["status"])).output).toMatch(/cut short[^]*npm run migration -- rollback/);
  const refused = await up();
  expect(refused.errors).toContain("a rollback was begun and has not come to its end");
  expect(refused.code).toBe(1);
});

test("it goes back: every row that either writer was told of is in the old database, once", async () => {
  const before = (await acknowledged(old)).length;
  const { code, output, errors } = await command(["rollback", "--json"]);
  expect(errors).toContain("changed on the new database since the cut-over, and not carried back: role hydra_app");
  expect(code).toBe(0);
  const report = JSON.parse(output) as RollbackReport;
  expect(report.rows).toBeGreaterThan(1000);
  expect(report.heldMilliseconds).toBeGreaterThan(0);
  process.stderr.write(`rollback: nobody could write for ${report.heldMilliseconds} ms\n${errors}`);
  await moreThan(old, before + 5);
  const logs: WriterLog[] = [await stopWriter(pooled), await stopWriter(old)];
  for (const log of logs) {
    expect(log.acknowledged.length).toBeGreaterThan(10);
    expect(log.errors.length).toBeGreaterThan(0);
    expect(await missing(log.acknowledged, onSource)).toEqual([]);
  }
  const told = logs.flatMap((log) => log.acknowledged.map(({ id }) => id));
  expect(new Set(told).size).toBe(told.length);
  expect(
    await fixture.legacy(
      "SELECT count(*) FROM (SELECT id FROM naytife_schema.orders GROUP BY id HAVING count(*) > 1) AS twice",
    ),
  ).toBe("0");
  expect(await fixture.legacy(look)).toBe(expected);
});

test("the Secret names the old database; the new one is closed, and neither `up` nor another rollback opens it", async () => {
  const url = await fixture.k("get", "secret", "naytife-postgres-connection", "-o", "jsonpath={.data.DATABASE_URL}");
  const told = Buffer.from(url, "base64").toString();
  expect(told).toMatch(
    new RegExp(`^postgresql://naytife:[^@]+@postgres\\.${fixture.namespace}\\.svc:5432/naytifedb\\?sslmode=prefer$`),
  );
  expect((await command(["again", "--yes"])).errors).toContain("no `pulumi up` has run");
  // What an `up` would do that has lost its state, or refreshes, and one that was told.
  await expect(apply(newConnection())).rejects.toThrow(/conflict[^]*naytife-migration-rollback/);
  await apply(connectionOf(told, told));
  const closed = () => fixture.primary("SELECT datallowconn FROM pg_database WHERE datname = 'naytifedb'", "postgres");
  expect(await closed()).toBe("f");
  const refused = await up();
  expect(refused.errors).toContain("pulumi config set activeDatabase source");
  expect(refused.code).toBe(1);
  expect((await up("source")).code).toBe(0);
  expect((await command(["rollback"])).code).toBe(0);
  const plan = await command(["plan"]);
  expect(plan.output).toMatch(/rolled back at 2[^]*npm run migration -- again/);
  expect(plan.code).toBe(2);
  expect(await closed()).toBe("f");
  const running = "jsonpath={.items[*].status.containerStatuses[*].restartCount}";
  expect(await fixture.k("get", "pods", "-l", "app=postgres", "-o", running)).toBe("0");
});

test("moved again, with what was written since, after the new database was emptied by name", async () => {
  expect((await command(["again"])).code).toBe(2);
  expect((await command(["again", "--yes"])).code).toBe(0);
  await apply(newConnection());
  await fixture.legacy("INSERT INTO naytife_schema.empty_table VALUES (2, 'second')");
  const moved = await up();
  expect(moved.errors).toContain("verify");
  expect(moved.code).toBe(0);
  expect(await fixture.primary("SELECT v FROM naytife_schema.empty_table")).toBe("second");
  expect(await fixture.primary(look)).toBe(expected);
});

test("finish ends the way back, early only on demand; the old database is the reader's to delete, and `up` does not miss it", async () => {
  expect((await command(["status"])).output).toMatch(/way back +npm run migration -- rollback; kept until 2/);
  const early = await command(["finish", "--yes"]);
  expect(early.errors).toMatch(/kept until .*migrationRetainDays 7[^]*Nothing was changed/);
  expect(early.code).toBe(1);
  const asked = await command(["finish", "--now"]);
  expect(asked.errors).toMatch(/What goes for good[^]*naytife-postgres-migration-dump[^]*Nothing was changed/);
  expect(asked.code).toBe(2);
  const claims = () => fixture.k("get", "persistentvolumeclaims", "-o", "name");
  expect(await claims()).toContain("naytife-postgres-migration-dump");

  const ended = await command(["finish", "--now", "--yes"]);
  expect(ended.code).toBe(0);
  await until("the dump's end", 180, async () => ((await claims()).includes("migration-dump") ? undefined : true));
  const back = await command(["rollback"]);
  expect(back.errors).toContain("the way back was ended at 2");
  expect(back.code).toBe(1);
  expect((await command(["status"])).output).toMatch(/way back +none/);
  // Closed as before: nothing of the old database was touched.
  expect(await fixture.legacy("SELECT datallowconn FROM pg_database WHERE datname = 'naytifedb'", "postgres")).toBe(
    "f",
  );

  const deletions = [...ended.output.matchAll(/^ {2}kubectl -n \S+ (delete .*)$/gm)].map((match) => match[1] ?? "");
  expect(deletions).toEqual(["delete deployment postgres", "delete service postgres", "delete secret postgres-secret"]);
  for (const deletion of deletions) await fixture.k(...deletion.split(" "));
  const again = await up();
  expect(again.errors).toContain("already done");
  expect(again.code).toBe(0);
  expect(await fixture.primary(look)).toBe(expected);
});

test("no secret was said", () => {
  for (const secret of [fixture.targetPassword, Buffer.from(legacyPassword, "base64").toString(), "SCRAM-SHA-256$"]) {
    expect(secret.length).toBeGreaterThan(8);
    expect(said.includes(secret)).toBe(false);
  }
});
