import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fingerprintSql } from "../../local/legacy/fingerprint";
import { jobState } from "../../local/legacy/legacy";
import { acknowledged, type Acknowledged, missing } from "../../local/legacy/writer";
import { run } from "../../local/run";
import { objectNames } from "../../migration/engine/manifests";
import { settingsVariable } from "../../migration/engine/settings";
import { until } from "../e2e/kubectl";
import { type Outcome, startProgram } from "../e2e/migration-fixture";
import { comes, Lines } from "./moment";
import type { Kill, Kills } from "./plan";
import type { Scene } from "./scene";
import { type Blow, strike } from "./strike";

type Tell = (line: string) => void;

/**
 * One migration: killed as planned, then run until it is done, then run once more. Says what happens, ends with an empty target and an open source.
 *
 * @throws Error with everything that is not as it should be
 */
export async function migrate(scene: Scene, kills: Kills, tell: Tell): Promise<void> {
  const began = Date.now();
  const faults: string[] = [];
  const before = (await acknowledged(scene.writer)).length;
  for (const kill of kills) {
    faults.push(...(await harmed(scene, kill, tell)));
  }
  const { outcome, seconds } = await up(scene);
  tell(`  left alone: ${ending(outcome)} (${seconds} s)`);
  if (outcome.code !== 0)
    throw new Error([...faults, `the run that was left alone failed:\n${outcome.errors}`].join("\n"));
  const orders = await acknowledged(scene.writer);
  faults.push(...(await afterwards(scene, orders)));
  faults.push(...(await twice(scene, outcome.output)));
  const equal = await compare(scene);
  faults.push(...equal.faults);
  await reset(scene);
  await until("a write to the source that was opened again", 60, async () =>
    (await acknowledged(scene.writer)).length > orders.length ? true : undefined,
  );
  tell(
    `  done: ${orders.length - before} orders were acknowledged since the last one, all ${orders.length} are there; ` +
      `${equal.compared} tables, sequences and sums equal; ${((Date.now() - began) / 1000).toFixed(1)} s in all`,
  );
  if (faults.length > 0) throw new Error(faults.join("\n"));
}

/** One run of the engine, as `pulumi up` starts it. */
async function up(scene: Scene): Promise<{ outcome: Outcome; seconds: string }> {
  const began = Date.now();
  const outcome = await scene.fixture.engine();
  return { outcome, seconds: ((Date.now() - began) / 1000).toFixed(1) };
}

/** A run that is killed. Returns what should have happened to it and did not. */
async function harmed(scene: Scene, kill: Kill, tell: Tell): Promise<string[]> {
  const began = Date.now();
  const seconds = () => `${((Date.now() - began) / 1000).toFixed(1)} s`;
  const lines = new Lines();
  const environment = { [settingsVariable]: JSON.stringify(scene.fixture.settings) };
  const engine = startProgram(["migration/engine/main.ts"], environment, lines.hear);
  const ended = new AbortController();
  const planned = `${kill.victim}, at "${kill.at}"${kill.after > 0 ? ` + ${kill.after} ms` : ""}`;
  const hitNow = async (goOn: () => Promise<void>): Promise<Blow> => {
    try {
      await sleep(kill.after);
      const last = lines.last();
      const blow = await strike(scene, kill, engine);
      tell(`  ${planned}: ${blow.hit ? "hit" : "it was gone"} after ${seconds()}, at "${last}"`);
      return blow;
    } finally {
      await goOn();
    }
  };
  const blows: Promise<Blow>[] = [];
  const moment = comes(scene, kill.at, lines, ended.signal).then((goOn) => blows.push(hitNow(goOn)));
  // Where the run ends before, the moment does not come any more.
  moment.catch(() => undefined);
  const outcome = await engine.outcome;
  ended.abort();
  const blow = await blows[0];
  if (blow === undefined) tell(`  ${planned}: the run did not come there`);
  tell(`    ${ending(outcome)} (${seconds()})`);
  await blow?.over;
  const hit = blow?.hit ?? false;
  // At a random point behind it may have been too late.
  return [...(hit || kill.after > 0 ? [] : [`${planned}: not hit`]), ...(await afterAKill(scene, outcome))];
}

/** How a run ended, in a line. */
function ending({ code, output, errors }: Outcome): string {
  if (code === 0) return `ended well, ${(JSON.parse(output) as { rows: number }).rows} rows`;
  const own = errors.split("\n").filter((line) => line !== "" && !line.startsWith("[migration] "));
  return code === null ? "was killed" : `ended with ${code}: ${own.map((line) => line.trim()).join(" / ")}`;
}

const migrated = "naytifedb";

/** The source's database: whether it takes connections, and whether it is read-only by default. */
function sourceState({ fixture }: Scene): Promise<string> {
  const sql = `SELECT CASE WHEN datallowconn THEN 'open' ELSE 'sealed' END || ', ' ||
      CASE WHEN 'default_transaction_read_only=on' = ANY (setconfig) THEN 'read-only' ELSE 'writeable' END
    FROM pg_database d LEFT JOIN pg_db_role_setting s ON s.setdatabase = d.oid AND s.setrole = 0 WHERE datname = '${migrated}'`;
  return fixture.legacy(sql, "postgres");
}

/** How many migrations the target says are finished. */
async function markers({ fixture }: Scene): Promise<string> {
  const known = await fixture.primary("SELECT to_regclass('naytife_migration.marker') IS NOT NULL", "postgres");
  return known === "t" ? fixture.primary("SELECT count(*) FROM naytife_migration.marker", "postgres") : "0";
}

const empty = readFileSync(join(__dirname, "../../migration/job/empty.sql"), "utf8");

/** What must be true after any kill: the target is as it was, or whole and the source sealed. And what a run said of it in its end is true. */
async function afterAKill(scene: Scene, { errors }: Outcome): Promise<string[]> {
  const { fixture, api } = scene;
  // Without its engine it goes on.
  if ((await jobState(api, fixture.namespace, objectNames(fixture.settings).job)) === "active") return [];
  const source = await sourceState(scene);
  if ((await markers(scene)) === "1")
    return source.startsWith("sealed") ? [] : [`the target is whole, and the source is ${source}`];
  const held = await fixture.primary(empty);
  return [
    ...(held === "" ? [] : [`the target's database is not as it was: ${held}`]),
    ...(errors.includes("The source takes writes again") && source !== "open, writeable"
      ? [`the run said that the source takes writes again, and it is ${source}`]
      : []),
  ];
}

/** What must be true when all is done. */
async function afterwards(scene: Scene, orders: readonly Acknowledged[]): Promise<string[]> {
  const { fixture, dumpVolume } = scene;
  const lost = await missing(orders, async (sql) => (await fixture.primary(sql)).split("\n").map((row) => [row]));
  const named = "-l naytife.com/cluster=naytife-postgres -o name".split(" ");
  const kept = ["configmap/naytife-postgres-migration-report", "secret/naytife-postgres-migration-signing"];
  const dumps = readdirSync(dumpVolume.path());
  const report = "{.data.report\\.json}";
  const [told] = await Promise.all([
    fixture.k("get", "configmap", "naytife-postgres-migration-report", "-o", `jsonpath=${report}`),
    run("sha256sum", ["--quiet", "--check", "SHA256SUMS"], { cwd: dumpVolume.path(dumps[0] ?? "") }),
  ]);
  const expected: Readonly<Record<string, readonly [is: string, expected: string]>> = {
    "orders that were acknowledged and are lost": [lost.map(({ id }) => id).join(" "), ""],
    "finished migrations": [await markers(scene), "1"],
    "the source": [await sourceState(scene), "sealed, read-only"],
    "the target's databases": [
      await fixture.primary(
        "SELECT string_agg(datname || datconnlimit, ' ' ORDER BY datname) FROM pg_database",
        "postgres",
      ),
      `${migrated}-1 postgres-1 template0-1 template1-1`,
    ],
    "what the migration keeps in the target": [
      await fixture.primary(
        `SELECT concat_ws(' ', (SELECT count(*) FROM naytife_migration.fact), (SELECT count(target_closed) FROM naytife_migration.state),
           (SELECT count(*) FROM pg_roles WHERE rolname = 'naytife_migration'))`,
        "postgres",
      ),
      "0 0 0",
    ],
    "a schema of the migration's in the database": [
      await fixture.primary(
        "SELECT string_agg(nspname, ' ') FROM pg_namespace WHERE nspname LIKE 'naytife\\_migration%'",
      ),
      "",
    ],
    "what the migration keeps in the cluster": [
      (await fixture.k("get", "job,pod,secret,configmap", ...named)).trim().split("\n").sort().join(" "),
      kept.join(" "),
    ],
    "the report that is kept": [told, await fixture.primary("SELECT report FROM naytife_migration.marker", "postgres")],
    "the dump's volume": [dumps.map((name) => name.replace(/^naytifedb-[0-9a-f-]+$/, "a dump")).join(" "), "a dump"],
  };
  return Object.entries(expected).flatMap(([what, [is, should]]) =>
    is === should ? [] : [`${what}: ${is}, not ${should}`],
  );
}

/** A run more must change nothing, and say the same. */
async function twice(scene: Scene, output: string): Promise<string[]> {
  const state = () =>
    scene.fixture.primary(
      `SELECT concat_ws(' ', d.oid, m.xmin, m.ctid, (SELECT count(*) FROM naytife_migration.phase), (SELECT pg_snapshot_xmax(pg_current_snapshot())))
         FROM naytife_migration.marker m, pg_database d WHERE datname = '${migrated}'`,
      "postgres",
    );
  const before = await state();
  const { outcome } = await up(scene);
  const after = await state();
  return [
    ...(outcome.code === 0 && outcome.output === output ? [] : [`a run more is not "already done": ${outcome.errors}`]),
    ...(after === before ? [] : [`a run more changed the target: ${before}, then ${after}`]),
  ];
}

/** Rows, sequences and large objects of a database, one line each, the same wherever they are read. */
const contents = `
SET search_path = ''; SET datestyle = 'ISO, MDY'; SET intervalstyle = 'postgres'; SET timezone = 'UTC'; SET extra_float_digits = 1; SET bytea_output = 'hex';
SET xmloption = 'content'; SET row_security = off;
${fingerprintSql};
SELECT 'sequence', schemaname, sequencename, last_value FROM pg_sequences ORDER BY 2, 3;
SELECT 'large object', oid, md5(coalesce(string_agg(data, '' ORDER BY pageno), '')) FROM pg_largeobject_metadata LEFT JOIN pg_largeobject ON loid = oid GROUP BY oid ORDER BY oid;`;

/** Reads both sides anew, by nothing of the migration's own. The source is opened for it. */
async function compare({ fixture }: Scene): Promise<{ compared: number; faults: string[] }> {
  await fixture.legacy(`ALTER DATABASE ${migrated} WITH ALLOW_CONNECTIONS true`, "postgres");
  // Materialized views are filled anew by the migration, and were stale on the source.
  const views = "SELECT oid::regclass FROM pg_class WHERE relkind = 'm'";
  const stale = new Set((await fixture.legacy(`SET search_path = ''; ${views}`)).split("\n"));
  const read = async (query: (sql: string) => Promise<string>) =>
    (await query(contents)).split("\n").filter((line) => !stale.has(line.split("|")[0] ?? ""));
  const [source, target] = await Promise.all([read(fixture.legacy), read(fixture.primary)]);
  const differs = [
    ...source.filter((line) => !target.includes(line)).map((line) => `only in the source: ${line}`),
    ...target.filter((line) => !source.includes(line)).map((line) => `only in the target: ${line}`),
  ];
  return { compared: source.length, faults: differs };
}

/** As before a migration: the source open, the target empty, as \`npm run migration -- again\` does it. */
async function reset({ fixture }: Scene): Promise<void> {
  const like = `SELECT format('CREATE DATABASE %I OWNER naytife TEMPLATE template0 ENCODING UTF8 LC_COLLATE %L LC_CTYPE %L LOCALE_PROVIDER builtin BUILTIN_LOCALE %L',
    datname, datcollate, datctype, datlocale) FROM pg_database WHERE datname = '${migrated}'`;
  const create = await fixture.primary(like, "postgres");
  const forget = ["marker", "state", "phase"].map((table) => `DELETE FROM naytife_migration.${table}`);
  await fixture.primary([`DROP DATABASE ${migrated} WITH (FORCE)`, create, ...forget].join(";\n"), "postgres");
  await fixture.k("delete", "configmap", objectNames(fixture.settings).report);
  await fixture.legacy(`ALTER DATABASE ${migrated} RESET default_transaction_read_only`, "postgres");
}
