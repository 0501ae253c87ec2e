/** The online mode on a real cluster: a writer on the old database all the time, changes of every kind during the copy, a run that is killed, a copy that is damaged. */
import { connectionSecret } from "../../local/legacy/legacy";
import { missing, startWriter, stopWriter, type Writer } from "../../local/legacy/writer";
import { type Settings, settingsVariable } from "../../migration/engine/settings";
import type { MigrationReport } from "../../migration/migration";
import { connectionUrl } from "../../postgresql/connection-url";
import { kubectl, until } from "./kubectl";
import {
  killJob,
  legacyImage,
  migrationFixture,
  type MigrationFixture,
  type Outcome,
  runProgram,
} from "./migration-fixture";

let fixture: MigrationFixture;
let online: Settings;
let old: Writer;
let next: Writer;
/** Everything that the engine of this file said, for the search for secrets. */
let said = "";

const legacyTarget = () => ({ ...fixture.target, namespace: fixture.namespace });

/** Runs the engine as `up` does. */
async function up(onLine?: (line: string) => void, settings = online): Promise<Outcome> {
  const environment = { [settingsVariable]: JSON.stringify(settings) };
  const outcome = await runProgram(["migration/engine/main.ts"], environment, onLine);
  said += outcome.output + outcome.errors;
  return outcome;
}

/** Does `what` once, at the first line that matches. */
function at(
  pattern: RegExp,
  what: () => Promise<unknown>,
): { onLine: (line: string) => void; done: () => Promise<unknown> } {
  let doing: Promise<unknown> | undefined;
  return {
    onLine: (line) => {
      if (pattern.test(line)) doing ??= what();
    },
    done: () => doing ?? Promise.reject(new Error(`it was never said: ${pattern.source}`)),
  };
}

/** What an online run makes on the source, as far as it is there. */
const leftOnSource = () =>
  fixture.legacy(
    `SELECT string_agg(name, ', ' ORDER BY name) FROM (SELECT 'slot ' || slot_name AS name FROM pg_replication_slots
       UNION ALL SELECT 'role ' || rolname FROM pg_roles WHERE rolname = 'naytife_migration') AS made`,
    "postgres",
  );

/** Changes of each kind, to what can be followed and to what cannot. */
const changes = `
  UPDATE naytife_schema.customers SET full_name = full_name || ' the first' WHERE id % 7 = 0;
  UPDATE naytife_schema.texts SET id = id + 1000 WHERE id < 5;
  DELETE FROM naytife_schema.inventory WHERE ctid IN (SELECT ctid FROM naytife_schema.inventory LIMIT 20);
  UPDATE naytife_schema.big_values SET lz4 = 'short' WHERE id = 1;
  UPDATE naytife_schema.regions SET code = 'SN' WHERE code = 'ET' AND id % 2 = 0;
  INSERT INTO naytife_schema.by_status SELECT 'paid', 1000 + i FROM generate_series(1, 50) AS i;
  INSERT INTO naytife_schema.no_primary_key VALUES ('same', 1), ('other', 2);
  UPDATE naytife_schema.employees SET salary = salary + 1;
  UPDATE naytife_schema.page_views SET path = '/changed' WHERE id < 100;
  INSERT INTO naytife_schema.watched VALUES (500, 'during the copy', now());
  INSERT INTO "Odd ""Schema"" $1.ü"."sixty-three bytes: 12345678901234567890123456789012345678901234" (v) VALUES ('during');
  SELECT lo_put(910001, 0, 'changed');
  SELECT nextval('naytife_schema.invoice_number') FROM generate_series(1, 120);`;

jest.setTimeout(300_000);

beforeAll(async () => {
  fixture = await migrationFixture("online", { size: "10MB", walLevel: "logical" });
  online = { ...fixture.settings, mode: "online" };
  const common = { image: legacyImage, periodMilliseconds: 100, durationSeconds: 900 };
  const url = connectionUrl({
    username: "naytife",
    password: fixture.targetPassword,
    host: "naytife-postgres-rw",
    port: 5432,
    database: "naytifedb",
  });
  const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "new-connection" }, stringData: { url } };
  await kubectl(fixture.target, ["-n", fixture.namespace, "apply", "-f", "-"], JSON.stringify(secret));
  old = await startWriter(legacyTarget(), { ...common, name: "old", url: await connectionSecret(legacyTarget()) });
  next = await startWriter(legacyTarget(), { ...common, name: "next", url: { secret: "new-connection", key: "url" } });
});

afterAll(async () => {
  await fixture.takeDown();
});

test("a source whose wal_level is replica is refused, and nothing is changed", async () => {
  const labels = { app: "plain" };
  const values = ["POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB"];
  const objects = [
    {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "plain", labels },
      spec: {
        containers: [
          {
            name: "postgres",
            image: legacyImage,
            env: values.map((name) => ({ name, valueFrom: { secretKeyRef: { name: "postgres-secret", key: name } } })),
            readinessProbe: { exec: { command: ["pg_isready", "-q", "-h", "127.0.0.1"] }, periodSeconds: 1 },
          },
        ],
      },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "plain" },
      spec: { selector: labels, ports: [{ port: 5432 }] },
    },
  ];
  const text = objects.map((object) => JSON.stringify(object)).join("\n---\n");
  await kubectl(fixture.target, ["-n", fixture.namespace, "apply", "-f", "-"], text);
  await fixture.k("wait", "--for=condition=Ready", "pod/plain", "--timeout=300s");
  const { code, errors } = await up(undefined, { ...online, source: { ...online.source, host: "plain" } });
  expect(errors).toContain("the source's wal_level is replica, and the online mode needs logical");
  expect(errors).toContain("Nothing was changed");
  expect(code).toBe(1);
  await fixture.k("delete", "pod/plain", "service/plain", "--wait=false");
});

test("a row that the copy lost while it caught up is found in the freeze; the source goes on, and no slot stays there", async () => {
  const changed = at(/copy …/, () =>
    fixture.legacy(
      "UPDATE naytife_schema.customers SET email = 'x' || email WHERE id IN (SELECT id FROM naytife_schema.customers ORDER BY id LIMIT 3)",
    ),
  );
  // As soon as the copy follows the source. Whether the change comes before or after: a row that is not there is not updated.
  const psql = "psql -XAtq -v ON_ERROR_STOP=1 -d naytifedb_migration";
  const followed = "SELECT 1 FROM pg_subscription WHERE subname = 'naytife_migration'";
  const damage = "DELETE FROM naytife_schema.customers WHERE id = (SELECT min(id) FROM naytife_schema.customers)";
  const script = `until [ -n "$(${psql} -c "${followed}")" ]; do sleep 0.1; done; ${psql} -c "SET session_replication_role = replica; ${damage}"`;
  const damaged = at(/index …/, () =>
    fixture.k("exec", "naytife-postgres-1", "-c", "postgres", "--", "timeout", "100", "bash", "-c", script),
  );
  const { code, errors } = await up((line) => {
    changed.onLine(line);
    damaged.onLine(line);
  });
  await Promise.all([changed.done(), damaged.done()]);
  expect(errors).toMatch(
    /changed rows naytife_schema\.customers: other contents, rows is \d+ in the source and \d+ in the copy/,
  );
  expect(errors).toContain("The source takes writes again");
  expect(code).toBe(1);
  expect(await leftOnSource()).toBe("");
});

test("with all its sessions on the source ended, dump and comparison fail at once: it ends, and nothing of it stays there", async () => {
  // By the server itself, and from before the comparison on: that may be over before a command comes here.
  const ours = "application_name LIKE 'naytife\\_migration %'";
  const ended = at(/index …/, () =>
    fixture.legacy(`DO $$ BEGIN
      FOR look IN 1..12000 LOOP
        PERFORM pg_stat_clear_snapshot();
        IF EXISTS (SELECT FROM pg_stat_activity WHERE ${ours} AND query LIKE 'SELECT json_build_object(''bytes''%') THEN
          PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${ours};
          RETURN;
        END IF;
        PERFORM pg_sleep(0.005);
      END LOOP;
      RAISE 'no comparison began';
    END $$`),
  );
  const { code, errors } = await up(ended.onLine);
  await ended.done();
  expect(code).toBe(1);
  expect(errors).toContain("the source works as before");
  expect(await leftOnSource()).toBe("");
});

test("killed outright while it catches up: its slots are taken away by the next run, which finishes, and nothing that was acknowledged is lost", async () => {
  const kill = at(/catch up …/, () => killJob(legacyTarget()));
  const first = await up(kill.onLine);
  await kill.done();
  expect(first.code).toBe(1);
  expect(await leftOnSource()).toBe("role naytife_migration, slot naytife_migration, slot naytife_migration_proof");

  const during = at(/copy …/, () => fixture.legacy(changes));
  // A TRUNCATE waits for the dump, which has its locks until it is whole.
  const emptied = at(/dump: /, () =>
    fixture.legacy(
      "TRUNCATE naytife_schema.dropped_columns; INSERT INTO naytife_schema.dropped_columns (id, v) VALUES (1, 'anew')",
    ),
  );
  const second = await up((line) => {
    during.onLine(line);
    emptied.onLine(line);
  });
  await Promise.all([during.done(), emptied.done()]);
  expect(second.errors).toContain("what an online run that was cut short left on the source is taken away");
  expect(second.errors).toMatch(/prove: \d+ changed rows of \d+ tables equal/);
  expect(second.code).toBe(0);

  const report = JSON.parse(second.output) as MigrationReport;
  const counted = (table: string) => report.tables.find((one) => one.table === `naytife_schema.${table}`)?.rows;
  expect(report.online).toMatchObject({ counted: true });
  expect(report.online?.tables).toEqual(expect.arrayContaining(["naytife_schema.customers", "naytife_schema.texts"]));
  expect(report.online?.changedRows).toBeGreaterThan(100);
  expect(counted("dropped_columns")).toBe(1);
  expect(counted("no_primary_key")).toBe(9);
  expect(counted("by_status")).toBe(650);
  expect(
    await fixture.primary(
      "SELECT concat_ws(' ', max(salary), (SELECT count(*) FROM naytife_schema.page_views WHERE path = '/changed'), (SELECT lo_get(910001, 0, 7))) FROM naytife_schema.employees",
    ),
  ).toBe("401 99 \\x6368616e676564");

  await until("the first order in the new database", 180, async () =>
    (await fixture.primary("SELECT count(*) FROM naytife_schema.orders WHERE note = 'next'")) === "0"
      ? undefined
      : true,
  );
  const [before, after] = [await stopWriter(old), await stopWriter(next)];
  const gap =
    Math.min(...after.acknowledged.map(({ at: when }) => when.getTime())) -
    Math.max(...before.acknowledged.map(({ at: when }) => when.getTime()));
  process.stderr.write(
    `no order was acknowledged for ${gap} ms, ${report.online?.frozenSeconds ?? "?"} s of them from the freeze to the switch\n`,
  );
  // By hand, on a quiet machine, 5 s.
  expect(gap).toBeLessThan(60_000);
  expect(before.acknowledged.length).toBeGreaterThan(100);
  const lost = await missing([...before.acknowledged, ...after.acknowledged], async (sql) =>
    (await fixture.primary(sql)).split("\n").map((line) => line.split("|")),
  );
  expect(lost).toEqual([]);
});

test("nothing of the online mode stays on either side, and the old database was never restarted", async () => {
  expect(await leftOnSource()).toBe("");
  expect(await fixture.primary("SELECT count(*) FROM pg_subscription")).toBe("0");
  expect(await fixture.primary("SELECT count(*) FROM naytife_migration.change", "postgres")).toBe("0");
  expect(
    await fixture.primary("SELECT tgenabled FROM pg_trigger WHERE tgname IN ('always', 'replica') ORDER BY tgname"),
  ).toBe("A\nR");
  const restarts = ["-o", "jsonpath={.items[*].status.containerStatuses[*].restartCount}"];
  expect(await fixture.k("get", "pods", "-l", "app=postgres", ...restarts)).toBe("0");
});

test("a rollback knows the old database by what was counted after the switch", async () => {
  const { kubeconfig, context } = fixture.target;
  const where = ["--stack", "local", "--kubeconfig", kubeconfig, "--context", context];
  const args = ["migration/main.ts", "rollback", ...where, "--config", `namespace=${fixture.namespace}`];
  const outcome = await runProgram(args, { XDG_CACHE_HOME: process.env.XDG_CACHE_HOME });
  said += outcome.output + outcome.errors;
  expect(outcome.errors).toContain("the old database is as it was left");
  expect(outcome.code).toBe(0);
});

test("no secret was said", async () => {
  const encoded = await fixture.k("get", "secret", "postgres-secret", "-o", "jsonpath={.data.POSTGRES_PASSWORD}");
  for (const secret of [fixture.targetPassword, Buffer.from(encoded, "base64").toString(), "SCRAM-SHA-256$"]) {
    expect(said.includes(secret)).toBe(false);
  }
});
