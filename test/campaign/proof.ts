import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fingerprintSql } from "../../local/legacy/fingerprint";
import { jobState } from "../../local/legacy/legacy";
import { type Acknowledged, missing } from "../../local/legacy/writer";
import { run } from "../../local/run";
import { objectNames } from "../../migration/engine/manifests";
import type { Outcome } from "../e2e/migration-fixture";
import type { Scene } from "./scene";

/** The name of the database that is moved, on both sides. */
const migrated = "naytifedb";

const empty = readFileSync(join(__dirname, "../../migration/job/empty.sql"), "utf8");

/** What is not as it must be after any kill: the target as it was, or whole and the source sealed; and what the run said of it in its end is true. */
export async function faultsAfterAKill(scene: Scene, { errors }: Outcome): Promise<string[]> {
  const { fixture, api, target } = scene;
  // Without its engine it goes on.
  if ((await jobState(api, fixture.namespace, objectNames(fixture.settings).job)) === "active") return [];
  const source = await sourceState(scene);
  if ((await markers(scene)) !== "0") {
    return source.startsWith("sealed") ? [] : [`the target is whole, and the source is ${source}`];
  }
  const held = await target(empty, migrated);
  return [
    ...(held === "" ? [] : [`the target's database is not as it was: ${held}`]),
    ...(errors.includes("The source takes writes again") && source !== "open, writeable"
      ? [`the run said that the source takes writes again, and it is ${source}`]
      : []),
  ];
}

/** What is not as it must be when all is done. @param orders that the source's clients were told are written */
export async function faultsAtTheEnd(scene: Scene, orders: readonly Acknowledged[]): Promise<string[]> {
  const { fixture, api, dumpVolume, source, target } = scene;
  const { namespace } = fixture;
  const { report, signing } = objectNames(fixture.settings);
  const lost = await missing(orders, async (sql) => (await target(sql, migrated)).split("\n").map((row) => [row]));
  const kept = await api.core.readNamespacedConfigMap({ name: report, namespace });
  const labelled = "-l naytife.com/cluster=naytife-postgres -o name".split(" ");
  const objects = (await fixture.k("get", "job,pod,secret,configmap", ...labelled)).trim().split("\n");
  const dumps = readdirSync(dumpVolume.path());
  await run("sha256sum", ["--quiet", "--check", "SHA256SUMS"], { cwd: dumpVolume.path(dumps[0] ?? "") });
  const onSource =
    "SELECT concat_ws(' ', (SELECT count(*) FROM pg_replication_slots), (SELECT count(*) FROM pg_roles WHERE rolname = 'naytife_migration'))";
  const expectations: readonly (readonly [what: string, is: string, should: string])[] = [
    ["orders that were acknowledged and are not there", lost.map(({ id }) => id).join(" "), ""],
    ["how many migrations are finished", await markers(scene), "1"],
    ["the source's database", await sourceState(scene), "sealed, read-only"],
    [
      "the target's databases and their connection limits",
      await target("SELECT string_agg(datname || ' ' || datconnlimit, ', ' ORDER BY datname) FROM pg_database"),
      `${migrated} -1, postgres -1, template0 -1, template1 -1`,
    ],
    [
      "facts, changes, a closed target, temporary roles, subscriptions",
      await target(
        `SELECT concat_ws(' ', (SELECT count(*) FROM naytife_migration.fact), (SELECT count(*) FROM naytife_migration.change), (SELECT count(target_closed) FROM naytife_migration.state),
           (SELECT count(*) FROM pg_roles WHERE rolname = 'naytife_migration'), (SELECT count(*) FROM pg_subscription))`,
      ),
      "0 0 0 0 0",
    ],
    ["slots and roles on the source", await source(onSource), "0 0"],
    [
      "schemas of the migration's own in the database",
      await target("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'naytife\\_migration%'", migrated),
      "",
    ],
    ["objects in the cluster", objects.sort().join(" "), `configmap/${report} secret/${signing}`],
    ["the report", kept.data?.["report.json"] ?? "", await target("SELECT report FROM naytife_migration.marker")],
    ["the dump's volume", dumps.map((name) => name.replace(/^naytifedb-[0-9a-f-]+$/, "dump")).join(" "), "dump"],
  ];
  return expectations.flatMap(([what, is, should]) => (is === should ? [] : [`${what}: "${is}", not "${should}"`]));
}

/** What would show that a migration was made, or changed, once more. */
export function tracks({ target }: Scene): Promise<string> {
  return target(
    `SELECT concat_ws(' ', d.oid, m.xmin, m.ctid, (SELECT count(*) FROM naytife_migration.phase))
       FROM naytife_migration.marker m, pg_database d WHERE datname = '${migrated}'`,
  );
}

/** Rows, sequences, large objects, indexes, constraints and triggers of a database, one line each, the same wherever they are read. */
const contents = `
SET search_path = ''; SET datestyle = 'ISO, MDY'; SET intervalstyle = 'postgres'; SET timezone = 'UTC'; SET extra_float_digits = 1; SET bytea_output = 'hex';
SET xmloption = 'content'; SET row_security = off;
${fingerprintSql};
SELECT 'sequence', schemaname, sequencename, last_value FROM pg_sequences ORDER BY 2, 3;
SELECT 'large object', oid, md5(lo_get(oid)) FROM pg_largeobject_metadata ORDER BY oid;
SELECT 'index', pg_get_indexdef(indexrelid) FROM pg_index WHERE indexrelid >= 16384 AND indisvalid AND indrelid::regclass::text NOT LIKE 'pg\\_toast%' ORDER BY 2;
SELECT 'constraint', conrelid::regclass, conname, convalidated, replace(pg_get_constraintdef(oid), E'\\n', ' ') FROM pg_constraint WHERE conrelid >= 16384 ORDER BY conrelid::regclass::text, conname;
SELECT 'trigger', tgrelid::regclass, tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY tgrelid::regclass::text, tgname`;

/** Reads both sides anew, by nothing of the migration's own. Opens the source for it. */
export async function compare({ source, target }: Scene): Promise<{ lines: number; faults: string[] }> {
  await source(`ALTER DATABASE ${migrated} WITH ALLOW_CONNECTIONS true`);
  // Materialized views are filled anew by the migration, and were stale on the source. A crash behind the switch empties what is unlogged, as every crash does; before
  // it, the switch is refused.
  const crashed = await target("SELECT NOT EXISTS (SELECT FROM naytife_migration.unbroken)");
  const others = await source(
    `SET search_path = ''; SELECT CASE relkind WHEN 'S' THEN concat_ws('|', 'sequence', relnamespace::regnamespace, relname) ELSE oid::regclass::text END || '|'
       FROM pg_class WHERE relkind = 'm' OR '${crashed}' AND relpersistence = 'u' AND relkind IN ('r', 'S')`,
    migrated,
  );
  const left = others.split("\n").filter((beginning) => beginning !== "");
  const read = async (side: typeof source) =>
    (await side(contents, migrated))
      .split("\n")
      .filter((line) => !left.some((beginning) => line.startsWith(beginning)));
  const [here, there] = await Promise.all([read(source), read(target)]);
  const faults = [
    ...here.filter((line) => !there.includes(line)).map((line) => `only in the source: ${line}`),
    ...there.filter((line) => !here.includes(line)).map((line) => `only in the target: ${line}`),
  ];
  const published = await source(
    "SELECT pubname FROM pg_publication WHERE pubname LIKE 'naytife\\_migration%'",
    migrated,
  );
  if (published !== "") faults.push(`a publication is left on the source: ${published}`);
  return { lines: here.length, faults };
}

/** As before a migration: the target empty, the source open. */
export async function reset({
  fixture,
  api,
  source,
  target,
}: Pick<Scene, "fixture" | "api" | "source" | "target">): Promise<void> {
  const create = await target(
    `SELECT format('CREATE DATABASE %I OWNER naytife TEMPLATE template0 ENCODING UTF8 LC_COLLATE %L LC_CTYPE %L LOCALE_PROVIDER builtin BUILTIN_LOCALE %L',
       datname, datcollate, datctype, datlocale) FROM pg_database WHERE datname = '${migrated}'`,
  );
  const forget = ["marker", "state", "phase"].map((table) => `DELETE FROM naytife_migration.${table}`);
  await target([`DROP DATABASE ${migrated} WITH (FORCE)`, create, ...forget].join(";\n"));
  const { report: name } = objectNames(fixture.settings);
  await api.core.deleteNamespacedConfigMap({ name, namespace: fixture.namespace });
  await source(`ALTER DATABASE ${migrated} WITH ALLOW_CONNECTIONS true`);
  await source(`ALTER DATABASE ${migrated} RESET default_transaction_read_only`);
}

/** The source's database: whether it takes connections, and whether it is read-only by default. */
function sourceState({ source }: Scene): Promise<string> {
  return source(
    `SELECT CASE WHEN datallowconn THEN 'open, ' ELSE 'sealed, ' END ||
        CASE WHEN 'default_transaction_read_only=on' = ANY (setconfig) THEN 'read-only' ELSE 'writeable' END
       FROM pg_database d LEFT JOIN pg_db_role_setting s ON s.setdatabase = d.oid AND s.setrole = 0 WHERE datname = '${migrated}'`,
  );
}

/** How many migrations the target says are finished. */
async function markers({ target }: Scene): Promise<string> {
  const known = await target("SELECT to_regclass('naytife_migration.marker') IS NOT NULL");
  return known === "t" ? target("SELECT count(*) FROM naytife_migration.marker") : "0";
}
