/** The comparison sees what it should: after a real migration the target is damaged, one kind a test, and each is named; undone, both sides are equal again. */
import { createHash, createHmac } from "node:crypto";
import { report as reportCommand } from "../../migration/commands/report";
import type { MigrationReport } from "../../migration/migration";
import { until } from "./kubectl";
import { migrationFixture, type MigrationFixture } from "./migration-fixture";

let fixture: MigrationFixture;
let report: string;

jest.setTimeout(300_000);

/** The migrated database, untouched, under another name: every damage is done to a copy of it. */
const original = "naytifedb_original";

/** A copy of the migrated database, with what belongs to a database and lies outside of it. File by file, so that its pages are read from disk anew. */
async function copyTarget(): Promise<void> {
  await fixture.primary(
    `SET allow_system_table_mods = on; SET client_min_messages = error; DROP DATABASE IF EXISTS naytifedb WITH (FORCE);
     SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${original}';
     CREATE DATABASE naytifedb TEMPLATE ${original} STRATEGY file_copy;
     INSERT INTO pg_db_role_setting SELECT c.oid, setrole, setconfig FROM pg_db_role_setting s JOIN pg_database o ON o.oid = setdatabase AND o.datname = '${original}', pg_database c WHERE c.datname = 'naytifedb';
     INSERT INTO pg_shdescription SELECT c.oid, classoid, description FROM pg_shdescription d JOIN pg_database o ON o.oid = d.objoid AND o.datname = '${original}', pg_database c WHERE c.datname = 'naytifedb' AND classoid = 'pg_database'::regclass;
     UPDATE pg_database c SET datacl = o.datacl, datdba = o.datdba, datconnlimit = o.datconnlimit FROM pg_database o WHERE c.datname = 'naytifedb' AND o.datname = '${original}';`,
    "postgres",
  );
}

/** A kind of damage: the SQL that does it, and how the comparison names it. */
type Damage = readonly [what: string, sql: string, named: RegExp];

const rows: Damage[] = [
  [
    "one flipped byte in a text",
    "UPDATE naytife_schema.customers SET full_name = chr(ascii(full_name) # 1) || substr(full_name, 2) WHERE id = (SELECT min(id) FROM naytife_schema.customers)",
    /table naytife_schema\.customers: other contents(;|$)/m,
  ],
  [
    "one missing row",
    "DELETE FROM naytife_schema.inventory WHERE ctid = (SELECT min(ctid) FROM naytife_schema.inventory)",
    /table naytife_schema\.inventory: other contents, rows is \d+ in the source and \d+ in the copy/,
  ],
  [
    "one row doubled",
    "INSERT INTO naytife_schema.no_primary_key VALUES ('same', 1)",
    /table naytife_schema\.no_primary_key: other contents, rows is 7 in the source and 8 in the copy/,
  ],
  [
    "one row gone and another doubled, so that the count is the same",
    "UPDATE naytife_schema.nobody_sees SET id = 2 WHERE id = 1",
    /table naytife_schema\.nobody_sees: other contents(;|$)/m,
  ],
  [
    "two rows' values swapped",
    "UPDATE naytife_schema.employees e SET name = o.name FROM naytife_schema.employees o WHERE e.id + o.id = 3",
    /table naytife_schema\.employees: other contents(;|$)/m,
  ],
  [
    "two columns' values swapped",
    "UPDATE naytife_schema.regions SET v = code, code = code WHERE id = 7",
    /table naytife_schema\.regions_\w+: other contents(;|$)/m,
  ],
  [
    "a NULL made ''",
    "UPDATE naytife_schema.texts SET t = '' WHERE id = 1",
    /table naytife_schema\.texts: other contents/,
  ],
  [
    "1.10 made 1.1",
    "UPDATE naytife_schema.numbers SET n = 1.1 WHERE id = 8",
    /table naytife_schema\.numbers: other contents/,
  ],
  [
    "-0 made 0",
    "UPDATE naytife_schema.structures SET poly = '((0,0),(1,1),(1e-300,0))' WHERE id = 1",
    /table naytife_schema\.structures: other contents/,
  ],
  [
    "one byte in a value of a megabyte",
    "UPDATE naytife_schema.big_values SET external = overlay(external PLACING '!' FROM 500000) WHERE id = 1",
    /table naytife_schema\.big_values: other contents/,
  ],
  [
    "a row of a hash partition",
    "DELETE FROM naytife_schema.by_status WHERE v = 1",
    /table naytife_schema\.by_status: other contents, rows is 600 in the source and 599 in the copy/,
  ],
  [
    "an unlogged table's row",
    "DELETE FROM naytife_schema.page_views WHERE id = 1",
    /table naytife_schema\.page_views: /,
  ],
  [
    "a sequence moved back",
    "SELECT setval('naytife_schema.invoice_number', 100000)",
    /sequence naytife_schema\.invoice_number: last_value is \d+ in the source and 100000 in the copy/,
  ],
  [
    "a sequence that was never called, called",
    "SELECT nextval('naytife_schema.never_called')",
    /sequence naytife_schema\.never_called: is_called is false in the source and true in the copy/,
  ],
  ["one byte in a large object", "SELECT lo_put(910001, 1, '\\x01')", /large object 910001: other contents/],
  [
    "a large object's comment",
    "COMMENT ON LARGE OBJECT 910001 IS 'another text'",
    /large object 910001: .*another comment/,
  ],
  [
    "a large object's owner",
    "ALTER LARGE OBJECT 910002 OWNER TO hydra_app",
    /large object 910002: owner is "naytife" in the source and "hydra_app" in the copy/,
  ],
  ["a large object's grant", "REVOKE SELECT ON LARGE OBJECT 910003 FROM shop_writers", /large object 910003: acl is /],
  ["a large object that is missing", "SELECT lo_unlink(910004)", /large object 910004: missing in the copy/],
  [
    "a materialized view unpopulated",
    "REFRESH MATERIALIZED VIEW naytife_schema.best_shops WITH NO DATA",
    /materialized view naytife_schema\.best_shops: populated is true in the source and false in the copy/,
  ],
];

const definitions: Damage[] = [
  [
    "a changed default",
    "ALTER TABLE naytife_schema.dropped_columns ALTER flag SET DEFAULT false",
    /> +flag boolean DEFAULT false NOT NULL/,
  ],
  [
    "a dropped comment",
    "COMMENT ON VIEW naytife_schema.category_tree IS NULL",
    /< COMMENT ON VIEW naytife_schema\.category_tree IS 'With its trail'/,
  ],
  [
    "a dropped index",
    "DROP INDEX naytife_schema.order_items_order",
    /index naytife_schema\.order_items_order: missing in the copy/,
  ],
  [
    "an index that is no longer valid",
    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'naytife_schema.payments_order'::regclass",
    /index naytife_schema\.payments_order: valid is true in the source and false in the copy/,
  ],
  [
    "a constraint NOT VALID",
    "UPDATE pg_constraint SET convalidated = false WHERE conname = 'products_shop_fkey'",
    /constraint products_shop_fkey on naytife_schema\.products: validated is true in the source and false in the copy/,
  ],
  [
    "a disabled trigger",
    "ALTER TABLE naytife_schema.watched DISABLE TRIGGER enabled",
    /trigger enabled on naytife_schema\.watched: enabled is "O" in the source and "D" in the copy/,
  ],
  [
    "foreign keys switched off",
    "ALTER TABLE naytife_schema.employees DISABLE TRIGGER ALL",
    /foreign key employees_manager on naytife_schema\.employees: enforced is true in the source and false in the copy/,
  ],
  [
    "a disabled event trigger",
    "ALTER EVENT TRIGGER record_ddl DISABLE",
    /event trigger record_ddl: enabled is "O" in the source and "D" in the copy/,
  ],
  [
    "a rule switched on",
    "ALTER TABLE naytife_schema.employees ENABLE RULE no_delete",
    /< ALTER TABLE naytife_schema\.employees DISABLE RULE no_delete/,
  ],
  [
    "row security switched off",
    "ALTER TABLE naytife_schema.tenants_only DISABLE ROW LEVEL SECURITY",
    /row security naytife_schema\.tenants_only: on is true in the source and false in the copy/,
  ],
  [
    "a policy dropped",
    "DROP POLICY never_empty ON naytife_schema.tenants_only",
    /policy never_empty on naytife_schema\.tenants_only: missing in the copy/,
  ],
  [
    "a publication's table gone",
    "ALTER PUBLICATION shop_changes DROP TABLE naytife_schema.employees",
    /< ALTER PUBLICATION shop_changes ADD TABLE ONLY naytife_schema\.employees/,
  ],
  [
    "a publication's owner",
    "ALTER PUBLICATION shop_changes OWNER TO postgres",
    /publication owner shop_changes: value is "naytife" in the source and "postgres" in the copy/,
  ],
  [
    "a statistics object gone",
    "DROP STATISTICS naytife_schema.orders_dependencies",
    /< CREATE STATISTICS naytife_schema\.orders_dependencies/,
  ],
  [
    "a replica identity",
    "ALTER TABLE naytife_schema.employees REPLICA IDENTITY DEFAULT",
    /< ALTER TABLE ONLY naytife_schema\.employees REPLICA IDENTITY FULL/,
  ],
  [
    "a function's body",
    "CREATE OR REPLACE FUNCTION naytife_schema.order_count(shop integer, OUT total bigint, OUT latest timestamptz) LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = naytife_schema, pg_temp COST 500 AS 'BEGIN NULL; END'",
    /> +AS \$.*BEGIN NULL; END/,
  ],
  [
    "an extension's schema",
    "ALTER EXTENSION fuzzystrmatch SET SCHEMA public",
    /extension fuzzystrmatch: schema is "extensions" in the source and "public" in the copy/,
  ],
  [
    "an extension's version, which is a warning",
    "UPDATE pg_extension SET extversion = '1.7' WHERE extname = 'hstore'",
    /warning: extensions have other versions in the copy: .*hstore 1\.7 instead of 1\.8/,
  ],
  [
    "a collation that takes other strings for the same, and a unique index that goes by it",
    "UPDATE pg_collation SET colllocale = 'und' WHERE collname = 'case_blind'",
    /unique text index naytife_schema\.collated_blind_key .*: .*other values are equal to each other than in the source/,
  ],
];

const rights: Damage[] = [
  [
    "a table's owner",
    "ALTER TABLE naytife_schema.rule_log OWNER TO hydra_app",
    /relation owner naytife_schema\.rule_log: value is .* in the source and "hydra_app" in the copy/,
  ],
  [
    "a function's owner",
    "ALTER FUNCTION naytife_schema.order_count(integer) OWNER TO hydra_app",
    /> ALTER FUNCTION naytife_schema\.order_count\(.*\) OWNER TO hydra_app/,
  ],
  [
    "a type's owner",
    "ALTER TYPE naytife_schema.dimensions OWNER TO hydra_app",
    /> ALTER TYPE naytife_schema\.dimensions OWNER TO hydra_app/,
  ],
  ["a schema's owner", "ALTER SCHEMA extensions OWNER TO hydra_app", /> ALTER SCHEMA extensions OWNER TO hydra_app/],
  [
    "a missing grant",
    "REVOKE INSERT ON naytife_schema.payments FROM shop_writers",
    /< GRANT INSERT,DELETE,UPDATE ON TABLE naytife_schema\.payments TO shop_writers/,
  ],
  [
    "a missing grant on a column",
    "REVOKE UPDATE (name) ON naytife_schema.employees FROM tenant_guest",
    /< GRANT (SELECT\(name\),)?UPDATE\(name\) ON TABLE naytife_schema\.employees TO tenant_guest/,
  ],
  [
    "a default privilege gone",
    "ALTER DEFAULT PRIVILEGES FOR ROLE hydra_app REVOKE USAGE ON SCHEMAS FROM naytife_app",
    /< ALTER DEFAULT PRIVILEGES FOR ROLE hydra_app GRANT USAGE ON SCHEMAS TO naytife_app/,
  ],
  [
    "a column's storage",
    "ALTER TABLE naytife_schema.big_values ALTER external SET STORAGE EXTENDED",
    /< ALTER TABLE ONLY naytife_schema\.big_values ALTER COLUMN external SET STORAGE EXTERNAL/,
  ],
  [
    "a column's compression",
    "ALTER TABLE naytife_schema.big_values ALTER lz4 SET COMPRESSION default",
    /< ALTER TABLE ONLY naytife_schema\.big_values ALTER COLUMN lz4 SET COMPRESSION lz4/,
  ],
  [
    "a statistics target",
    "ALTER TABLE naytife_schema.customers ALTER full_name SET STATISTICS -1",
    /< ALTER TABLE ONLY naytife_schema\.customers ALTER COLUMN full_name SET STATISTICS 500/,
  ],
  [
    "a foreign-data wrapper's owner",
    "ALTER ROLE hydra_app SUPERUSER; ALTER FOREIGN DATA WRAPPER unused_wrapper OWNER TO hydra_app; ALTER ROLE hydra_app NOSUPERUSER",
    /foreign-data wrapper unused_wrapper: owner is "postgres" in the source and "hydra_app" in the copy/,
  ],
  [
    "a setting of a role",
    "ALTER ROLE reporting_readonly SET statement_timeout = '6min'",
    /setting statement_timeout of role reporting_readonly: another value/,
  ],
  [
    "a setting of a role in the database",
    "ALTER ROLE naytife_app IN DATABASE naytifedb RESET lock_timeout",
    /setting lock_timeout of role naytife_app in the database: missing in the copy/,
  ],
  [
    "a setting of the database",
    "ALTER DATABASE naytifedb SET idle_in_transaction_session_timeout = '11min'",
    /setting idle_in_transaction_session_timeout of the database: another value/,
  ],
  [
    "the database's comment and rights",
    "COMMENT ON DATABASE naytifedb IS 'another text'; REVOKE CONNECT ON DATABASE naytifedb FROM shop_readers",
    /database rights and comment: acl is .*another comment/,
  ],
  [
    "a membership gone",
    "REVOKE pg_monitor FROM shop_admins",
    /membership shop_admins in pg_monitor: missing in the copy/,
  ],
  [
    "a membership's option",
    "GRANT shop_writers TO naytife_app WITH INHERIT FALSE",
    /membership naytife_app in shop_writers: inherit is true in the source and false in the copy/,
  ],
  ["a password changed", "ALTER ROLE hydra_app PASSWORD 'changed-for-tests'", /role hydra_app: another password(;|$)/m],
  [
    "a password of another kind",
    "ALTER ROLE legacy_md5 PASSWORD 'md5-for-tests'",
    /role legacy_md5: another password, kind of password is "md5" in the source and "scram" in the copy/,
  ],
  [
    "a role's attributes and comment",
    "ALTER ROLE seasonal_contractor CONNECTION LIMIT 3; COMMENT ON ROLE tenant_guest IS 'another text'",
    /role seasonal_contractor: limit is 2 in the source and 3 in the copy; role tenant_guest: another comment/,
  ],
];

/** What lies in the cluster and not in the copy that is thrown away. */
const undoRights = `
  ALTER ROLE reporting_readonly SET statement_timeout = '5min'; GRANT pg_monitor TO shop_admins; GRANT shop_writers TO naytife_app WITH INHERIT TRUE;
  ALTER ROLE seasonal_contractor CONNECTION LIMIT 2; COMMENT ON ROLE tenant_guest IS NULL;
  SET allow_system_table_mods = on;
  UPDATE pg_authid a SET rolpassword = k.rolpassword FROM naytife_migration.kept k WHERE k.rolname = a.rolname;`;

/** Overwrites bytes in a relation's file, at an offset that the shell works out of \$file. */
async function damageFile(relation: string, bytes: string, offset: string): Promise<void> {
  const file = await fixture.primary(
    `SELECT current_setting('data_directory') || '/' || pg_relation_filepath('${relation}')`,
  );
  const script = `file=${file}; printf '${bytes}' | dd of="$file" bs=1 seek=${offset} conv=notrunc status=none && sync`;
  await fixture.k("exec", "naytife-postgres-1", "-c", "postgres", "--", "sh", "-ec", script);
}

/** What a comparison says, which finds that the sides are not the same. */
async function findings(): Promise<string> {
  const { code, errors } = await fixture.engine("verify");
  expect(errors).toContain("A comparison changes neither side.");
  expect(code).toBe(1);
  return errors;
}

beforeAll(async () => {
  fixture = await migrationFixture("damage", { size: "10MB" });
  // So large that it is copied by itself.
  await fixture.legacy("INSERT INTO naytife_schema.no_columns SELECT FROM generate_series(1, 300000)");
  const { code, output, errors } = await fixture.engine();
  if (code !== 0) throw new Error(errors);
  report = output.trim();
  // The source is let go as docs/migration.md says.
  await fixture.legacy("ALTER DATABASE naytifedb WITH ALLOW_CONNECTIONS true", "postgres");
  await until("the legacy database", 180, async () => {
    try {
      return await fixture.legacy("SELECT 1");
    } catch {
      return undefined;
    }
  });
  await fixture.primary(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'naytifedb'; ALTER DATABASE naytifedb RENAME TO ${original};
     CREATE TABLE naytife_migration.kept AS SELECT rolname, rolpassword FROM pg_authid`,
    "postgres",
  );
});

afterAll(() => fixture.takeDown());

test("a copy of the migrated database that nobody damaged is equal", async () => {
  await copyTarget();
  const { code, output, errors } = await fixture.engine("verify");
  expect(errors).toMatch(/verify: \d+ tables, \d+ rows equal, files of \d+ tables and \d+ indexes sound/);
  expect(output).toBe("equal\n");
  expect(code).toBe(0);
  // Nothing of the check stays: the functions that it checks files by are its sessions' own.
  expect(await fixture.primary("SELECT count(*) FROM pg_proc WHERE probin LIKE '%amcheck%'")).toBe("0");
});

test("a big table without any column has all of its rows", () => {
  const { tables } = JSON.parse(report) as MigrationReport;
  expect(tables.find(({ table }) => table === "naytife_schema.no_columns")?.rows).toBe(300_002);
});

describe.each([
  ["rows, sequences and large objects", rows],
  ["definitions", definitions],
  ["owners, rights, roles and settings", rights],
])("of %s", (_what, damages) => {
  let found = "";

  beforeAll(async () => {
    await copyTarget();
    for (const [what, sql] of damages) {
      // Triggers would write rows of their own.
      const quiet =
        "SET event_triggers = off; SET session_replication_role = replica; SET allow_system_table_mods = on";
      await fixture.primary(`${quiet}; ${sql};`).catch((error: unknown) => {
        throw new Error(`the damage "${what}" could not be done`, { cause: error });
      });
    }
    found = await findings();
  });

  test.each(damages)("%s is named", (_kind, _sql, named) => {
    expect(found).toMatch(named);
  });
});

test("nothing but the damaged rows is named, and no row is shown", async () => {
  await fixture.primary(undoRights, "postgres");
  await copyTarget();
  await fixture.primary("UPDATE naytife_schema.texts SET t = 'a-new-value-of-a-row' WHERE id = 1");
  const found = await findings();
  expect(/the copy is not the source: .*/.exec(found)?.[0]).toBe(
    "the copy is not the source: table naytife_schema.texts: other contents",
  );
  expect(found).not.toContain("a-new-value-of-a-row");
});

test("a damaged page of an index and one of a table are named", async () => {
  await copyTarget();
  // The key of the first tuple of the first leaf page; the number of attributes of the table's first tuple, which changes nothing that can be read.
  await damageFile("naytife_schema.order_items_pkey", "\\377\\377", "$((2 * 8192 - 16 - 8))");
  await damageFile("naytife_schema.customers", "\\350\\003", '$(( ($(od -An -tu2 -j24 -N2 "$file") & 32767) + 18 ))');
  const found = await findings();
  expect(found).toMatch(/amcheck of an index naytife_schema\.order_items_pkey: high key invariant violated for index/);
  expect(found).toMatch(/amcheck of a table naytife_schema\.customers: 1 damaged places, the first: block 0, /);
  expect(found).not.toContain("other contents");
});

test("with everything undone both sides are equal", async () => {
  await fixture.primary(
    `DROP DATABASE naytifedb WITH (FORCE);
     SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${original}';
     ALTER DATABASE ${original} RENAME TO naytifedb`,
    "postgres",
  );
  const { errors, code } = await fixture.engine("verify");
  expect(errors).not.toContain("the copy is not the source");
  expect(code).toBe(0);
});

describe("the report", () => {
  const stored = () => fixture.k("get", "configmap", "naytife-postgres-migration-report", "-o", "json");

  /** Runs `npm run migration -- report`. */
  async function ask(json: boolean): Promise<{ code: number; said: string }> {
    let said = "";
    const listen = (chunk: string | Uint8Array) => {
      said += String(chunk);
      return true;
    };
    const streams = [process.stdout, process.stderr].map((stream) =>
      jest.spyOn(stream, "write").mockImplementation(listen),
    );
    try {
      return { code: await reportCommand(fixture.settings, { json }), said };
    } finally {
      for (const stream of streams) stream.mockRestore();
    }
  }

  test("is printed as it was signed, or for people", async () => {
    expect(await ask(true)).toEqual({ code: 0, said: `${report}\n` });
    const { code, said } = await ask(false);
    expect(said).toContain("| files of the copy | ");
    expect(code).toBe(0);
  });

  test("is kept in the cluster as it was printed, in JSON and in Markdown, signed by a key that stays there", async () => {
    const { data } = JSON.parse(await stored()) as { data: Record<string, string> };
    expect(data["report.json"]).toBe(report);
    expect(data["report.json.sha256"]).toBe(createHash("sha256").update(report).digest("hex"));
    expect(data["report.md"]).toContain("# Migration into `naytifedb`");
    const [sha256, signature] = (
      await fixture.primary("SELECT sha256, signature FROM naytife_migration.marker", "postgres")
    ).split("|");
    const encoded = await fixture.k(
      "get",
      "secret",
      "naytife-postgres-migration-signing",
      "-o",
      "jsonpath={.data.key}",
    );
    const key = Buffer.from(Buffer.from(encoded, "base64").toString(), "hex");
    expect(key).toHaveLength(32);
    expect(sha256).toBe(data["report.json.sha256"]);
    expect(data["report.json.hmac-sha256"]).toBe(signature);
    expect(signature).toBe(createHmac("sha256", key).update(report).digest("hex"));
  });

  test("says what was checked, how much, how fast, and by which versions", () => {
    const { amcheck, compared, extensions, source, target, text, tools, verification } = JSON.parse(
      report,
    ) as MigrationReport;
    expect(amcheck).toMatchObject({ damaged: 0 });
    expect(amcheck?.tables).toBeGreaterThan(60);
    expect(amcheck?.indexes).toBeGreaterThan(60);
    expect(compared.table).toBeGreaterThan(60);
    expect(compared["unique text index"]).toBeGreaterThan(5);
    expect(extensions).toContainEqual({ extension: "hstore", source: "1.8", target: "1.8" });
    expect([source.version, target.version]).toEqual([expect.stringMatching(/^15\./), expect.stringMatching(/^17\./)]);
    expect(source.locale).toContain("en_US.utf8");
    expect(target.locale).toContain("builtin C C.UTF-8 C.UTF-8");
    expect(text?.probes).toBeGreaterThan(20);
    expect(tools).toContainEqual(expect.stringMatching(/^pg_dump .* 17\./));
    expect(verification?.rowHash).toBe("two sums of 64-bit hashes");
    expect(verification?.bytesPerSecond).toBeGreaterThan(0);
  });

  test("names what sorts otherwise, and the index on text whose order it concerns", () => {
    const { warnings } = JSON.parse(report) as MigrationReport;
    expect(warnings).toContainEqual(
      expect.stringMatching(/text sorts otherwise in the copy .*naytife_schema\.collated_plain \(plain\)/),
    );
  });

  test("holds no row and no secret", async () => {
    const kept = `${await stored()}${await fixture.primary("SELECT string_agg(m::text, ' ') FROM naytife_migration.marker m", "postgres")}`;
    const values = await fixture.legacy(
      "SELECT email::text FROM naytife_schema.customers UNION SELECT full_name FROM naytife_schema.customers WHERE length(full_name) > 8 UNION SELECT secret FROM naytife_schema.tenants_only WHERE id > 99 UNION SELECT signature FROM hydra.hydra_oauth2_access UNION (SELECT title FROM naytife_schema.products WHERE length(title) > 8)",
    );
    const password = await fixture.k("get", "secret", "postgres-secret", "-o", "jsonpath={.data.POSTGRES_PASSWORD}");
    const key = await fixture.k("get", "secret", "naytife-postgres-migration-signing", "-o", "jsonpath={.data.key}");
    const verifiers = await fixture.legacy("SELECT rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL");
    const secrets = [
      ...[password, key].map((text) => Buffer.from(text, "base64").toString()),
      fixture.targetPassword,
      ...verifiers.split("\n"),
      "SCRAM-SHA-256$",
    ];
    const sought = [...values.split("\n"), ...secrets];
    expect(values.split("\n").length).toBeGreaterThan(500);
    for (const value of sought) expect(value.length).toBeGreaterThan(6);
    expect(sought.filter((value) => kept.includes(value))).toEqual([]);
  });

  test.each([
    ["changed", "report = jsonb_set(report, '{rows}', '1')", "it was changed after it was signed"],
    [
      "changed together with its checksum",
      "report = jsonb_set(report, '{rows}', '1'), sha256 = encode(sha256(convert_to(jsonb_set(report, '{rows}', '1')::text, 'UTF8')), 'hex')",
      "its signature is not by this namespace's key",
    ],
    ["robbed of its signature", "signature = NULL", "it carries no signature"],
  ])("%s, is found out", async (_how, change, fault) => {
    await fixture.primary(
      `CREATE TABLE naytife_migration.sound AS SELECT * FROM naytife_migration.marker; UPDATE naytife_migration.marker SET ${change}`,
      "postgres",
    );
    const { code, errors } = await fixture.engine();
    const asked = await ask(false);
    await fixture.primary(
      "UPDATE naytife_migration.marker m SET report = s.report, sha256 = s.sha256, signature = s.signature FROM naytife_migration.sound s; DROP TABLE naytife_migration.sound",
      "postgres",
    );
    expect(errors).toContain("warning: the stored report cannot be trusted: ");
    expect(errors).toContain(fault);
    expect(code).toBe(0);
    expect(asked.said).toContain(fault);
    expect(asked.code).toBe(6);
    const { data } = JSON.parse(await stored()) as { data: Record<string, string> };
    expect(data["report.json"]).toBe(report);
    expect((await ask(true)).code).toBe(0);
  });
});
