/** The migration on a real cluster: refusals before anything changed, kills in the middle, a writer beside it, once and never twice. */
import { connectionSecret } from "../../local/legacy/legacy";
import { connect, podQuery } from "../../local/legacy/cluster";
import { missing, startWriter, stopWriter } from "../../local/legacy/writer";
import { type Settings, settingsVariable } from "../../migration/engine/settings";
import type { MigrationReport } from "../../migration/migration";
import { kubectl, until } from "./kubectl";
import {
  jobPods,
  killJob,
  legacyImage,
  migrationFixture,
  startProgram,
  type MigrationFixture,
  type Outcome,
} from "./migration-fixture";

let fixture: MigrationFixture;
/** Everything that any engine of this file said, for the search for secrets. */
let said = "";

const k = (...args: string[]) => fixture.k(...args);
const primary = (sql: string, database = "naytifedb") => fixture.primary(sql, database);
const legacyPod = (sql: string, database = "postgres") => fixture.legacy(sql, database);
const legacyTarget = () => ({ ...fixture.target, namespace: fixture.namespace });

/** Runs the engine as the Command does; `onLine` may end it or its Job. */
async function engine(
  changes: Partial<Settings> = {},
  onLine: (line: string, kill: () => void) => void = () => undefined,
  mode: string[] = [],
): Promise<Outcome> {
  const settings = JSON.stringify({ ...fixture.settings, ...changes });
  const running = startProgram(["migration/engine/main.ts", ...mode], { [settingsVariable]: settings }, (line) => {
    onLine(line, () => {
      running.end("SIGKILL");
    });
  });
  const outcome = await running.outcome;
  said += outcome.output + outcome.errors;
  return outcome;
}

/** Kills the Job's pod, by the API itself: starting a program would take longer than a phase. */
async function killPod(): Promise<void> {
  const { core } = connect(legacyTarget());
  const { namespace } = fixture;
  for (const { metadata } of await jobPods(legacyTarget())) {
    await core.deleteNamespacedPod({ name: metadata?.name ?? "", namespace, gracePeriodSeconds: 0 });
  }
}

/** Kills the Job's pod, `after` milliseconds from the first line that matches. */
function killPodAt(pattern: RegExp, after: number): { onLine: (line: string) => void; killed: () => Promise<void> } {
  let kill: Promise<void> | undefined;
  return {
    onLine: (line) => {
      if (kill === undefined && pattern.test(line)) {
        kill = new Promise((resolve) => setTimeout(resolve, after)).then(killPod);
      }
    },
    killed: () => kill ?? Promise.reject(new Error(`the engine never said ${pattern.source}`)),
  };
}

const frozen = () =>
  legacyPod(
    "SELECT count(*) FROM pg_db_role_setting WHERE setrole = 0 AND 'default_transaction_read_only=on' = ANY (setconfig)",
  );

jest.setTimeout(300_000);

beforeAll(async () => {
  fixture = await migrationFixture("migration", {
    size: "40MB",
    // The operator makes the extension in every database as soon as such a parameter is there.
    parameters: { "pg_stat_statements.max": "1000" },
    statements: ["CREATE SCHEMA hydra AUTHORIZATION naytife", "CREATE SCHEMA naytife_schema AUTHORIZATION naytife"],
  });
  await k("create", "secret", "generic", "wrong", "--from-literal=POSTGRES_PASSWORD=not-the-password");
});

afterAll(() => fixture.takeDown());

test("a wrong password of the source is told, and nothing was changed", async () => {
  const { code, output, errors } = await engine({ source: { ...fixture.settings.source, secretName: "wrong" } });
  expect(code).toBe(1);
  expect(output).toBe("");
  expect(errors).toContain("password authentication failed");
  expect(errors).toContain("Nothing was changed");
  expect(await frozen()).toBe("0");
});

test.each([
  ["another context", { context: "nowhere" }, /no context nowhere; it has: /],
  ["a Secret that is not there", { source: { secretName: "absent" } }, /no Secret absent/],
  ["a database that is not there", { source: { database: "elsewhere" } }, /no database elsewhere; it has: naytifedb/],
  ["too little room for the dump", { dump: { size: "1Mi" } }, /the dump volume has 1\.0 MB free/],
])("%s is told before anything changed", async (_what, change, message) => {
  const changes = Object.fromEntries(
    Object.entries(change).map(([key, value]) => {
      const before: unknown = fixture.settings[key as keyof Settings];
      return [key, typeof before === "object" ? { ...before, ...(value as object) } : value];
    }),
  );
  const { code, errors } = await engine(changes);
  expect(errors).toMatch(message);
  expect(errors).toContain("Nothing was changed");
  expect(code).toBe(1);
  expect(await frozen()).toBe("0");
});

test("a target that holds something is refused by the name of what it holds", async () => {
  await primary("CREATE TABLE naytife_schema.somebodys (id int)");
  const { code, errors } = await engine();
  await primary("DROP TABLE naytife_schema.somebodys");
  expect(errors).toContain("relation naytife_schema.somebodys");
  expect(errors).toContain("Nothing was changed");
  expect(code).toBe(1);
});

test("its pod killed in the copy, then in the index builds: the target is untouched, and the next run goes on", async () => {
  for (const [pattern, after] of [
    [/copy …/, 1500],
    [/index …/, 500],
  ] as const) {
    const pod = killPodAt(pattern, after);
    const { code, errors } = await engine({}, pod.onLine);
    await pod.killed();
    expect(errors).toContain("ended from outside");
    expect(code).toBe(1);
    expect(await primary("SELECT count(*) FROM pg_class WHERE relnamespace = 'naytife_schema'::regnamespace")).toBe(
      "0",
    );
  }
});

/**
 * Runs the engine and ends its Job's program outright when `reached` is true in the copy. From the line `from` on, a session waits in the copy for its plan and takes
 * `lock` at once, so that the Job cannot get further; the next run ends that session.
 */
async function killedWhere(from: string, lock: string, reached: string): Promise<Outcome> {
  const psql = "psql -X -q -d naytifedb_migration";
  const planned =
    "SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname || relname = ''naytife_migration_copycopied''";
  // Connected before there is a plan: a program that starts only then may come after the last chunk.
  const waitAndLock = `DO 'BEGIN LOOP EXIT WHEN EXISTS (${planned}); PERFORM pg_sleep(0.01); END LOOP; END'; BEGIN; ${lock}; SELECT pg_sleep(100)`;
  const hold = `until ${psql} -c 'SELECT' >/dev/null 2>&1; do sleep 0.1; done; ${psql}`;
  let killed: Promise<void> | undefined;
  const outcome = await engine({}, (line) => {
    if (!line.includes(from) || killed !== undefined) return;
    const exec = [
      "-n",
      fixture.namespace,
      "exec",
      "-i",
      "naytife-postgres-1",
      "-c",
      "postgres",
      "--",
      "timeout",
      "100",
    ];
    void kubectl(fixture.target, [...exec, "bash", "-c", hold], waitAndLock).catch(() => "");
    killed = until(reached, 180, async () =>
      (await primary(reached, "naytifedb_migration").catch(() => "")) === "t" ? true : undefined,
    ).then(() => killJob(legacyTarget()));
  });
  await killed;
  expect(outcome.errors).toContain("ended from outside");
  expect(await frozen()).toBe("1");
  return outcome;
}

test("killed outright in the middle of the copy, then before the statistics: each run does what is left, and what it ends with is equal", async () => {
  // Statistics that the source's server takes by itself would be a transaction on it.
  await legacyPod("ALTER SYSTEM SET autovacuum = off");
  await legacyPod("SELECT pg_reload_conf()");
  // The test before left a plan, and this run's is waited for.
  await primary("DROP DATABASE naytifedb_migration WITH (FORCE)", "postgres");
  await killedWhere(
    "copy …",
    "INSERT INTO naytife_migration_copy.copied SELECT max(number), 0 FROM naytife_migration_copy.piece",
    `SELECT count(*) > 2 AND bool_or("binary") AND count(*) = (SELECT count(*) FROM naytife_migration_copy.piece WHERE chunk <> (SELECT max(chunk) FROM naytife_migration_copy.piece))
       FROM naytife_migration_copy.copied JOIN naytife_migration_copy.piece USING (number)`,
  );
  const goesOn = /the copy goes on: (\d+) of (\d+) chunks are done/;
  const second = await killedWhere(
    "index …",
    "LOCK TABLE pg_catalog.pg_ts_config_map IN SHARE UPDATE EXCLUSIVE MODE",
    "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'ANALYZE%'",
  );
  const [, done, all] = goesOn.exec(second.errors) ?? [];
  expect(Number(done)).toBeGreaterThan(1);
  expect(Number(done)).toBe(Number(all) - 1);

  // What came into the target meanwhile ends the run after its comparison, so that there is something left for the next test.
  let intruder: Promise<string> | undefined;
  const third = await engine({}, (line) => {
    if (line.includes("verify …")) intruder ??= primary("CREATE TABLE naytife_schema.meanwhile (id int)");
  });
  await intruder;
  await primary("DROP TABLE naytife_schema.meanwhile");
  expect(goesOn.exec(third.errors)?.slice(1)).toEqual([all, all]);
  expect(third.errors).toMatch(/verify: \d+ tables, \d+ rows equal/);
  expect(third.errors).toContain("relation naytife_schema.meanwhile");
  expect(third.code).toBe(1);
  expect(await primary("SELECT to_regnamespace('naytife_migration_copy') IS NULL", "naytifedb_migration")).toBe("t");
  await legacyPod("ALTER SYSTEM RESET autovacuum");
  await legacyPod("SELECT pg_reload_conf()");
});

test("with the engine killed and a writer beside it: done by the next run, and nothing that was acknowledged is lost", async () => {
  // Let go as docs/migration.md says, so that the writer has something to write to.
  await legacyPod("ALTER DATABASE naytifedb RESET default_transaction_read_only");
  const writer = await startWriter(legacyTarget(), {
    name: "writer",
    image: legacyImage,
    periodMilliseconds: 50,
    durationSeconds: 300,
    url: await connectionSecret(legacyTarget()),
  });
  let comparison: Promise<Outcome> | undefined;
  const first = await engine({}, (line, kill) => {
    if (line.includes("preflight …")) comparison ??= engine({}, undefined, ["verify"]);
    if (line.includes("copy …")) kill();
  });
  expect(first.code).not.toBe(0);
  const second = await engine();
  expect(second.errors).toContain("it is followed");
  expect(second.code).toBe(0);
  expect((await comparison)?.errors).toContain("a migration is running");
  const log = await stopWriter(writer);
  expect(log.acknowledged.length).toBeGreaterThan(10);
  expect(log.errors.length).toBeGreaterThan(0);
  const lost = await missing(log.acknowledged, async (sql) =>
    (await primary(sql)).split("\n").map((line) => line.split("|")),
  );
  expect(lost).toEqual([]);

  const report = JSON.parse(second.output) as MigrationReport;
  expect(report.schema.equal).toBe(true);
  expect(report.tables.length).toBeGreaterThan(50);
  expect(report.rows).toBe(report.tables.reduce((sum, { rows }) => sum + rows, 0));
  const orders = report.tables.filter(({ table }) => table.startsWith("naytife_schema.orders"));
  expect(String(orders.reduce((sum, { rows }) => sum + rows, 0))).toBe(
    await primary("SELECT count(*) FROM naytife_schema.orders"),
  );
});

test("the source is sealed, not restarted; the application's role logs in with the target's password and is no superuser", async () => {
  expect(await legacyPod("SELECT datallowconn FROM pg_database WHERE datname = 'naytifedb'")).toBe("f");
  expect(
    await k("get", "pods", "-l", "app=postgres", "-o", "jsonpath={.items[*].status.containerStatuses[*].restartCount}"),
  ).toBe("0");
  expect(await primary("SELECT rolsuper FROM pg_roles WHERE rolname = 'naytife'")).toBe("f");
  expect(await primary("SELECT count(*) FROM pg_roles WHERE rolname = 'naytife_migration'")).toBe("0");
  // A partitioned table has statistics as a whole, which nothing gathers by itself.
  expect(await primary("SELECT count(*) > 0 FROM pg_stats WHERE tablename = 'orders' AND inherited")).toBe("t");
  const login = [
    "env",
    `PGPASSWORD=${fixture.targetPassword}`,
    "psql",
    "-XAt",
    "-h",
    "naytife-postgres-rw",
    "-U",
    "naytife",
    "naytifedb",
    "-c",
    "SELECT count(*) > 0 FROM naytife_schema.orders",
  ];
  expect((await k("exec", "naytife-postgres-1", "-c", "postgres", "--", ...login)).trim()).toBe("t");
  const left = await k("get", "job,secret,configmap", "-l", "naytife.com/cluster=naytife-postgres", "-o", "name");
  expect(left.trim().split("\n").sort()).toEqual([
    "configmap/naytife-postgres-migration-report",
    "secret/naytife-postgres-migration-signing",
  ]);
  expect(await k("get", "pvc", "naytife-postgres-migration-dump", "-o", "name")).toContain(
    "naytife-postgres-migration-dump",
  );
  expect(await k("get", "pvc", "-l", "naytife.com/holds=backup", "-o", "name")).toContain(
    "naytife-postgres-migration-dump",
  );
});

test("a second run changes nothing and prints the same report", async () => {
  const state =
    "SELECT oid || ' ' || (SELECT report FROM naytife_migration.marker) FROM pg_database WHERE datname = 'naytifedb'";
  const before = await primary(state, "postgres");
  const { code, output, errors } = await engine();
  expect(code).toBe(0);
  expect(errors).toContain("already done");
  expect(JSON.parse(output)).toEqual(JSON.parse(before.slice(before.indexOf(" ") + 1)));
  expect(await primary(state, "postgres")).toBe(before);
});

test("the comparison finds one changed row, one missing row, one dropped comment, one moved sequence", async () => {
  await legacyPod("ALTER DATABASE naytifedb WITH ALLOW_CONNECTIONS true");
  await until("the legacy pod", 180, async () =>
    (await podQuery(connect(legacyTarget()), fixture.namespace, "SELECT 1")).length === 1 ? true : undefined,
  );
  expect((await engine({}, undefined, ["verify"])).code).toBe(0);
  await primary(
    "UPDATE naytife_schema.customers SET email = email || 'x' WHERE id = (SELECT min(id) FROM naytife_schema.customers)",
  );
  await primary("DELETE FROM naytife_schema.inventory WHERE ctid = (SELECT min(ctid) FROM naytife_schema.inventory)");
  await primary(
    "SELECT setval(seqrelid::regclass, seqmax - 1) FROM pg_sequence WHERE seqrelid = pg_get_serial_sequence('naytife_schema.customers', 'id')::regclass",
  );
  const damaged = await engine({}, undefined, ["verify"]);
  expect(damaged.code).toBe(1);
  expect(damaged.errors).toContain("table naytife_schema.customers: other contents");
  expect(damaged.errors).toMatch(
    /table naytife_schema\.inventory: other contents, rows is \d+ in the source and \d+ in the copy/,
  );
  expect(damaged.errors).toMatch(/sequence naytife_schema\.\S+: last_value is \d+/);
  await primary("COMMENT ON TABLE naytife_schema.customers IS 'another comment'");
  const redefined = await engine({}, undefined, ["verify"]);
  expect(redefined.errors).toContain("another comment");
  expect(redefined.code).toBe(1);
});

test("no secret was said, nor lies in what stays", async () => {
  const encoded = await k("get", "secret", "postgres-secret", "-o", "jsonpath={.data.POSTGRES_PASSWORD}");
  const secrets = [
    fixture.targetPassword,
    Buffer.from(encoded, "base64").toString(),
    "not-the-password",
    "SCRAM-SHA-256$",
  ];
  const kept = await primary("SELECT string_agg(t::text, ' ') FROM naytife_migration.marker t", "postgres");
  for (const secret of secrets) {
    expect(secret.length).toBeGreaterThan(8);
    expect(said.includes(secret)).toBe(false);
    expect(kept.includes(secret)).toBe(false);
  }
});
