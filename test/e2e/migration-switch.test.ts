/** The switch as clients see it that know the old host name alone: they wait, and go on in the new database. */
import type { RollbackReport } from "../../migration/engine/record";
import { activeVariable, settingsVariable } from "../../migration/engine/settings";
import { kubectl, until } from "./kubectl";
import {
  applyPooler,
  legacyImage,
  migrationFixture,
  type MigrationFixture,
  type Outcome,
  poolerRuns,
  runProgram,
  takeSourcePassword,
} from "./migration-fixture";

const holdSeconds = 60;
let fixture: MigrationFixture;
/** The old Service as it was made. */
let before: string;

/**
 * Writes a row and counts all that there are, again and again, each time by a new connection to the old host name: its own rows that were acknowledged
 * are among them, or the answer is wrong. It waits as long as it is made to.
 */
const clientScript = `
acknowledged=0
for ((n = 1; ; n++)); do
  began=$(date +%s%3N)
  if answer=$(psql -XAtq -v ON_ERROR_STOP=1 -c "INSERT INTO naytife_schema.visits VALUES ($n)" -c "SELECT count(*) FROM naytife_schema.visits" 2>&1); then
    acknowledged=$((acknowledged + 1))
    if ((answer >= acknowledged)); then echo "ack $n $(($(date +%s%3N) - began))"; else echo "wrong $n $answer"; fi
  else
    echo "error $n $(($(date +%s%3N) - began)) ms: \${answer//$'\\n'/ }"
  fi
  sleep 0.1
done`;

interface Seen {
  readonly acknowledged: readonly { readonly n: number; readonly milliseconds: number }[];
  readonly errors: readonly string[];
  readonly wrong: readonly string[];
}

async function seen(): Promise<Seen> {
  const lines = (await fixture.k("logs", "client")).split("\n").map((line) => line.split(" "));
  const of = (kind: string) => lines.filter(([word]) => word === kind);
  return {
    acknowledged: of("ack").map(([, n, milliseconds]) => ({ n: Number(n), milliseconds: Number(milliseconds) })),
    errors: of("error").map((words) => words.slice(2).join(" ")),
    wrong: of("wrong").map((words) => words.join(" ")),
  };
}

/** Waits until the client was told of three more rows. */
async function goesOn(): Promise<Seen> {
  const { acknowledged } = await seen();
  return until("three more rows of the client", 180, async () => {
    const now = await seen();
    return now.acknowledged.length >= acknowledged.length + 3 ? now : undefined;
  });
}

/** Every row that the client was told of is there; nothing was wrong, and no statement ever ran where the tables are not. */
async function nothingLost(query: (sql: string) => Promise<string>): Promise<Seen> {
  const now = await goesOn();
  const there = new Set((await query("SELECT n FROM naytife_schema.visits")).split("\n").map(Number));
  expect(now.acknowledged.filter(({ n }) => !there.has(n))).toEqual([]);
  expect(now.wrong).toEqual([]);
  expect(now.errors.filter((text) => text.includes("does not exist"))).toEqual([]);
  return now;
}

/** What the client saw since: errors, and how long it waited. */
function report(what: string, since: Seen, now: Seen): { waited: number; errors: readonly string[] } {
  const errors = now.errors.slice(since.errors.length);
  const waited = Math.max(...now.acknowledged.slice(since.acknowledged.length).map(({ milliseconds }) => milliseconds));
  process.stderr.write(`${what}: longest wait ${waited} ms, ${errors.length} errors\n  ${errors.join("\n  ")}\n`);
  return { waited, errors };
}

/** The engine as `up` runs it, with the alias. */
function up(onLine?: (line: string) => void, seconds = holdSeconds, kill?: AbortSignal): Promise<Outcome> {
  const settings = { ...fixture.settings, alias: { holdSeconds: seconds } };
  const environment = { [settingsVariable]: JSON.stringify(settings), [activeVariable]: "target" };
  return runProgram(["migration/engine/main.ts"], environment, onLine, kill);
}

/** `npm run migration -- …` for this namespace. */
function command(...args: readonly string[]): Promise<Outcome> {
  const { kubeconfig, context } = fixture.target;
  const where = ["--stack", "local", "--kubeconfig", kubeconfig, "--context", context];
  const config = [`namespace=${fixture.namespace}`, "migrationAlias=true", `migrationHoldSeconds=${holdSeconds}`];
  const all = ["migration/main.ts", ...args, ...where, ...config.flatMap((one) => ["--config", one])];
  return runProgram(all, { XDG_CACHE_HOME: process.env.XDG_CACHE_HOME });
}

const spec = () => fixture.k("get", "service", "postgres", "-o", "jsonpath={.spec}{.metadata.annotations}");
const paused = () =>
  fixture.k("get", "pooler.postgresql.cnpg.io", "naytife-postgres-pooler", "-o", "jsonpath={.spec.pgbouncer.paused}");

/** The Service is what it was, nobody waits, and the target is empty and open. */
async function asItWas(): Promise<void> {
  expect(await spec()).toBe(before);
  expect(await paused()).toBe("false");
  expect(await fixture.k("get", "services", "-o", "name")).not.toContain("migration-source");
  const tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace OR relname = 'visits'";
  expect(await fixture.primary(tables)).toBe("0");
  expect(await fixture.primary("SELECT datconnlimit FROM pg_database WHERE datname = 'naytifedb'")).toBe("-1");
}

function apply(...objects: object[]): Promise<string> {
  const text = objects.map((object) => JSON.stringify(object)).join("\n---\n");
  return kubectl(fixture.target, ["-n", fixture.namespace, "apply", "--server-side", "-f", "-"], text);
}

jest.setTimeout(300_000);

beforeAll(async () => {
  fixture = await migrationFixture("switch", { size: "10MB" });
  await applyPooler(fixture, 2);
  await fixture.legacy("CREATE TABLE naytife_schema.visits (n integer PRIMARY KEY)");
  const secret = { name: "postgres-secret", key: "POSTGRES_PASSWORD" };
  await apply({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "client" },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: "client",
          image: legacyImage,
          imagePullPolicy: "IfNotPresent",
          command: ["bash", "-c", clientScript],
          env: [
            ...Object.entries({ PGHOST: "postgres", PGUSER: "naytife", PGDATABASE: "naytifedb" }).map(
              ([name, value]) => ({ name, value }),
            ),
            { name: "PGPASSWORD", valueFrom: { secretKeyRef: secret } },
          ],
        },
      ],
    },
  });
  await poolerRuns(fixture);
  await fixture.k("wait", "--for=condition=Ready", "pod/client", "--timeout=300s");
  before = await spec();
});

afterAll(async () => {
  await fixture.takeDown();
});

test("where clients could not log in with the password that they have, it is said before anything is done", async () => {
  const { code, errors } = await up();
  expect(errors).toMatch(/clients that come by postgres as naytife could not log in[^]*Set databasePassword/);
  expect(code).toBe(1);
  await asItWas();
  await takeSourcePassword(fixture);
});

test("clients that wait too long are let go; a migration that fails leaves the Service exactly as it was, and they go on in the old database", async () => {
  const start = await goesOn();
  let kill: Promise<string> | undefined;
  const { code, errors } = await up((line) => {
    if (line.includes("clients waited for 4 s, which is the limit")) {
      kill ??= fixture.k("delete", "pod", "-l", "batch.kubernetes.io/job-name=naytife-postgres-migration");
    }
  }, 4);
  await kill;
  expect(errors).toMatch(/clients that come by postgres wait[^]*which is the limit[^]*ended from outside/);
  expect(errors).toContain("postgres leads to the old database; clients that waited were dropped");
  expect(code).toBe(1);
  await asItWas();
  const now = await nothingLost((sql) => fixture.legacy(sql));
  const { errors: refused } = report("failed migration", start, now);
  expect(refused).not.toEqual([]);
});

test("clients of the old name wait and go on in the new database, with all that they were told of", async () => {
  const start = await goesOn();
  const { code, errors } = await up();
  expect(errors).toContain("clients that come by postgres wait");
  expect(errors).toContain("postgres leads to the pooler; clients that waited go on");
  expect(code).toBe(0);
  const now = await nothingLost((sql) => fixture.primary(sql));
  const { waited, errors: refused } = report("migration", start, now);
  expect(waited).toBeLessThan(holdSeconds * 1000);
  // The one whose connection the freeze ended.
  expect(refused.length).toBeLessThanOrEqual(1);
  const status = await command("status");
  expect(status.output).toMatch(/old name +postgres leads to the pooler/);
  expect((await up()).code).toBe(0);
});

test("a rollback turns the name back, and nothing is lost", async () => {
  const start = await goesOn();
  const { code, output, errors } = await command("rollback", "--json");
  expect(errors).toContain("postgres leads to the old database");
  expect(code).toBe(0);
  expect((JSON.parse(output) as RollbackReport).tablesCarried).toBeGreaterThan(0);
  expect(await spec()).toBe(before);
  expect(await paused()).toBe("false");
  report("rollback", start, await nothingLost((sql) => fixture.legacy(sql)));
});

test("the engine is killed while clients wait; the next finishes what it finds", async () => {
  expect((await command("again", "--yes")).code).toBe(0);
  const start = await goesOn();
  const stop = new AbortController();
  const watch = (line: string) => {
    if (line.includes("clients that come by postgres wait")) stop.abort();
  };
  const killed = await up(watch, holdSeconds, stop.signal);
  expect(killed.code).not.toBe(0);
  expect(await paused()).toBe("true");
  // An `up` that has something to say of the Pooler says nothing of this.
  await applyPooler(fixture, 2);
  expect(await paused()).toBe("true");
  const next = await up();
  expect(next.errors).toContain("clients that waited go on");
  expect(next.code).toBe(0);
  expect(await paused()).toBe("false");
  report("killed engine", start, await nothingLost((sql) => fixture.primary(sql)));
});
