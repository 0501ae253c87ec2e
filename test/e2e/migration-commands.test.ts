/** `npm run migration` on a real cluster: what it finds before, says meanwhile and keeps afterwards, and that looking changes nothing. */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { until } from "./kubectl";
import { stackSettings } from "../../migration/main";
import { lookAtStatus, type Status } from "../../migration/commands/status";
import type { Plan } from "../../migration/engine/plan";
import { type Settings, settingsVariable } from "../../migration/engine/settings";
import type { MigrationReport } from "../../migration/migration";
import { migrationFixture, startProgram, type MigrationFixture, type Outcome } from "./migration-fixture";

let fixture: MigrationFixture;
/** As the stack `local` says them. */
let settings: Settings;

const k = (...args: string[]) => fixture.k(...args);
const primary = (sql: string, database = "naytifedb") => fixture.primary(sql, database);
const legacyPod = (sql: string, database = "postgres") => fixture.legacy(sql, database);

function run(
  args: string[],
  environment: Record<string, string> = {},
  onLine?: (line: string, interrupt: () => void) => void,
): Promise<Outcome> {
  const running = startProgram(args, environment, (line) => {
    onLine?.(line, () => {
      running.end("SIGINT");
    });
  });
  return running.outcome;
}

/** The command as a person gives it, for the stack `local` in this file's namespace. */
const command = (...args: string[]) => run(asked(...args));
const asked = (...args: string[]) => [
  "migration/main.ts",
  ...args,
  ...["--kubeconfig", fixture.target.kubeconfig, "--context", fixture.target.context],
  ...["--config", `namespace=${fixture.namespace}`],
];

/** The engine as `pulumi up` runs it. */
const engine = (onLine?: (line: string) => void) =>
  run(["migration/engine/main.ts"], { [settingsVariable]: JSON.stringify(settings) }, onLine);

/** Whatever a look could leave behind, in the cluster and in the target. */
async function traces(): Promise<string> {
  const objects = await k("get", "job,secret,configmap,pvc", "-o", "name");
  const inTarget = await primary(
    "SELECT string_agg(rolname, ',' ORDER BY rolname) || ';' || (SELECT string_agg(datname, ',' ORDER BY datname) FROM pg_database) || ';' || (SELECT string_agg(nspname, ',' ORDER BY nspname) FROM pg_namespace WHERE nspname !~ '^pg_(temp|toast_temp)') FROM pg_roles",
    "postgres",
  );
  return `${objects}\n${inTarget}`;
}

/** Moves with every transaction that writes anything at all. */
const sourcePosition = () =>
  legacyPod(
    "SELECT pg_snapshot_xmax(pg_current_snapshot()) || ' ' || (SELECT count(*) FROM pg_db_role_setting) || (SELECT datallowconn FROM pg_database WHERE datname = 'naytifedb')",
  );

jest.setTimeout(300_000);

beforeAll(async () => {
  fixture = await migrationFixture("commands", { size: "10MB" });
  await legacyPod(
    "GRANT SET ON PARAMETER log_statement TO hydra_app; ALTER TABLE naytife_schema.employees DISABLE TRIGGER ALL",
    "naytifedb",
  );
  // So that no transaction runs on the source but those that this file looks for.
  await legacyPod("ALTER SYSTEM SET autovacuum = off");
  await legacyPod("SELECT pg_reload_conf()");
  const { target, namespace } = fixture;
  const ofStack = await stackSettings({ stack: "local", name: "", ...target, config: { namespace } });
  settings = { ...ofStack, dump: fixture.settings.dump };
});

afterAll(() => fixture.takeDown());

test("before anything: not begun, and no report", async () => {
  const [status, report] = await Promise.all([command("status"), command("report")]);
  expect(status.output).toMatch(/^not begun \(postgres:5432\/naytifedb → Cluster naytife-postgres/);
  expect(status.output).toContain("open: it takes writes");
  expect(status.code).toBe(3);
  expect(report).toMatchObject({ code: 3, output: "" });
  expect(report.errors).toContain("There is no report");
});

test("what cannot be asked is told by name", async () => {
  const { target } = fixture;
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "migration-commands-"));
  const kubeconfig = path.join(directory, "kubeconfig");
  const text = fs.readFileSync(target.kubeconfig, "utf8").replace(/https:\/\/[^\s"]+/, "https://127.0.0.1:1");
  fs.writeFileSync(kubeconfig, text, { mode: 0o600 });
  const [nobody, absent, unknown, stack, verb] = await Promise.all([
    run(["migration/main.ts", "status", "--kubeconfig", kubeconfig]),
    run([
      ...["migration/main.ts", "status", "--kubeconfig", target.kubeconfig, "--context", target.context],
      ...["--config", "namespace=default"],
    ]),
    run(["migration/main.ts", "plan", "--kubeconfig", target.kubeconfig, "--context", "nowhere"]),
    run(["migration/main.ts", "report", "--stack", "prod"]),
    run(["migration/main.ts", "stat"]),
  ]);
  fs.rmSync(directory, { recursive: true });
  expect(nobody.errors).toContain("the cluster does not answer (https://127.0.0.1:1)");
  expect(nobody.code).toBe(1);
  expect(absent.errors).toContain("there is no Cluster naytife-postgres in namespace default");
  expect(absent.code).toBe(1);
  expect(unknown.errors).toMatch(/no context nowhere; it has: /);
  expect(unknown.code).toBe(3);
  expect(stack.errors).toContain('There is no stack "prod" here');
  expect(stack.code).toBe(1);
  expect(verb.errors).toMatch(/^There is no command "stat"\.\n\nnpm run migration -- COMMAND/);
  expect(verb.code).toBe(64);
  for (const { output } of [nobody, absent, unknown, stack, verb]) expect(output).toBe("");
});

let planned: Plan;

/** The kinds of warnings that no plan can foresee (migration/job/warnings.sql), as docs/migration.md names them. */
const onlyCompared = [
  /^materialized views were stale on the source and are fresh in the copy: /,
  /^text sorts otherwise in the copy /,
  /^lower, upper or initcap of letters beyond ASCII come out otherwise in the copy /,
  /^regular expressions and ILIKE take other characters for letters, digits or spaces in the copy /,
  /^full-text search cuts text into other words in the copy /,
];

test("a plan finds what the migration will warn of, says who is connected, and leaves nothing behind", async () => {
  const shop = k(
    "exec",
    "deploy/postgres",
    "--",
    "psql",
    "-XAtq",
    "-U",
    "naytife",
    "-d",
    "dbname=naytifedb application_name=shop",
    "-c",
    "SELECT pg_sleep(300)",
  );
  shop.catch(() => undefined);
  await until("the shop's session", 180, async () =>
    (await legacyPod("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'shop'")) === "1"
      ? true
      : undefined,
  );
  const before = await traces();
  const position = await sourcePosition();
  const { code, output, errors } = await command("plan", "--json");
  expect(errors).not.toContain("Migration:");
  expect(code).toBe(1);
  expect(await sourcePosition()).toBe(position);
  expect(await traces()).toBe(before);
  planned = JSON.parse(output) as Plan;
  const said = (severity: string) =>
    planned.findings.filter((finding) => finding.severity === severity).map(({ text }) => text);
  expect(said("blocker")).toEqual([]);
  expect(said("warning")).toEqual(
    expect.arrayContaining([
      expect.stringContaining("SUPERUSER and REPLICATION of role naytife"),
      expect.stringContaining("owns but may not read"),
      expect.stringMatching(/^passwords kept as MD5, .* nobody can log in .*: legacy_md5$/),
      expect.stringMatching(/^extensions have other versions in the copy: .*fuzzystrmatch 1\.2 instead of 1\.1/),
      expect.stringMatching(/^foreign keys are switched off .*: employees_manager on naytife_schema\.employees$/),
      "rights on parameters of the server are not carried: SET on log_statement to hydra_app",
      expect.stringContaining("is invalid"),
      expect.stringContaining("locales differ"),
    ]),
  );
  expect(said("info")).toEqual(
    expect.arrayContaining([
      expect.stringContaining("wal_level is replica"),
      expect.stringMatching(/neither a primary key nor a replica identity.*no_primary_key/),
      expect.stringMatching(/^large objects \(4\)/),
      expect.stringMatching(/^unlogged tables \(1\).*page_views/),
    ]),
  );
  expect(planned.clients).toContainEqual({ application: "shop", user: "naytife", connections: 1, busy: 1 });
  expect(planned.sizes?.largest).toHaveLength(10);
  expect(planned.sizes?.largest[0]?.bytes).toBeGreaterThan(1_000_000);
  expect(planned.estimate?.walBytes).toBeGreaterThan(planned.sizes?.tables ?? NaN);
  await legacyPod("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'shop'");
  await shop.catch(() => undefined);
});

test("an interrupted plan leaves nothing behind either", async () => {
  const before = await traces();
  const { code, output, errors } = await run(asked("plan"), {}, (line, interrupt) => {
    if (!line.includes("plan …")) return;
    interrupt();
    interrupt();
  });
  expect(errors).toContain("interrupted");
  expect(code).toBe(3);
  expect(output).toBe("");
  await until("what it made to be gone", 180, async () => ((await traces()) === before ? true : undefined));
});

test("everything that is in the way is told at once, by a plan and by the migration", async () => {
  await primary("CREATE TABLE somebodys (id int)");
  await primary("CREATE DATABASE naytifedb_migration");
  // As of a locale that the old image has and the new one has not.
  await legacyPod(
    'CREATE COLLATION pg_catalog.legacy_only FROM "C"; CREATE TABLE public.sorted (t text COLLATE legacy_only)',
    "naytifedb",
  );
  const plan = await command("plan", "--config", "migrationDumpStorage=1Mi");
  expect(plan.output).toMatch(/^BLOCKED: 4 things in the way, /);
  for (const obstacle of [
    "relation public.somebodys",
    "a database naytifedb_migration that no run",
    "the dump volume has 1.0 MB free",
    "lacks these collations that the source uses: legacy_only",
  ]) {
    expect(plan.output).toContain(obstacle);
  }
  expect(plan.output).toContain("Next: Set migrationDumpStorage to at least");
  expect(plan.code).toBe(2);
  const migration = await engine();
  await primary("DROP TABLE somebodys");
  await primary("DROP DATABASE naytifedb_migration");
  await legacyPod("DROP TABLE public.sorted; DROP COLLATION pg_catalog.legacy_only", "naytifedb");
  expect(migration.code).toBe(1);
  expect(migration.errors).toContain("3 things are in the way");
  expect(migration.errors).toMatch(
    /1\. the target has a database naytifedb_migration[^]*Next: [^]*2\. [^]*somebodys[^]*Next: [^]*3\. [^]*legacy_only[^]*Next: /,
  );
  const status = await command("status");
  expect(status.output).toMatch(/^stopped in preflight/);
  expect(status.output).toContain("3 things are in the way");
  expect(status.output).toContain("open: it takes writes");
  expect(status.code).toBe(5);
});

test("while it runs, when it is done, and what it keeps", async () => {
  const meanwhile: Promise<Status>[] = [];
  const { code, output } = await engine((line) => {
    if (meanwhile.length === 0 && line.includes("dump …")) meanwhile.push(lookAtStatus(settings));
  });
  expect(code).toBe(0);
  const [running] = await Promise.all(meanwhile);
  expect(running).toMatchObject({ state: "running", job: { name: "naytife-postgres-migration", active: true } });
  expect(running?.source).toMatch(/frozen|sealed/);

  const [status, report, plan] = await Promise.all([
    command("status", "--json"),
    command("report", "--json"),
    command("plan"),
  ]);
  expect(status.code).toBe(0);
  const done = JSON.parse(output) as MigrationReport;
  expect(JSON.parse(status.output)).toMatchObject({
    state: "done",
    run: done.run,
    source: "sealed",
    rows: done.rows,
    tables: done.tables.length,
    dump: {
      directory: done.dump.directory,
      bytes: done.dump.bytes,
      volume: "naytife-postgres-migration-dump",
      size: "1Gi",
    },
  });
  expect(report.code).toBe(0);
  // Both print what was signed, byte for byte.
  expect(report.output).toBe(output);
  expect(plan.output).toMatch(/^READY\n[^]*is finished, so nothing is left to plan/);
  expect(plan.code).toBe(0);

  // Every warning of the migration was in the plan, word for word, but for what only the comparison shows; the order of a list of names is no word.
  const words = (text: string) =>
    text
      .split(/[ ,:]+/)
      .sort()
      .join(" ");
  const foreseen = planned.findings.map(({ text }) => words(text));
  const foreseeable = done.warnings.filter((warning) => !onlyCompared.some((kind) => kind.test(warning)));
  expect(foreseeable.length).toBeGreaterThan(10);
  expect(foreseeable.filter((warning) => !foreseen.includes(words(warning)))).toEqual([]);
  // And what it says of passwords is true.
  const login = (user: string, password: string) =>
    k(
      "exec",
      "naytife-postgres-1",
      "-c",
      "postgres",
      "--",
      "env",
      `PGPASSWORD=${password}`,
      "psql",
      "-XAt",
      "-h",
      "naytife-postgres-rw",
      "-U",
      user,
      "naytifedb",
      "-c",
      "SELECT 1",
    );
  await expect(login("legacy_md5", "md5-for-tests")).rejects.toThrow("password authentication failed");
  expect((await login("naytife_app", "naytife-app-for-tests")).trim()).toBe("1");
});
