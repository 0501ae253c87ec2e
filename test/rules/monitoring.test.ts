import * as fs from "node:fs";
import * as path from "node:path";
import { parse } from "yaml";
import { moduleDirectory } from "../../local/toolchain/toolchain";
import { rows } from "../../monitoring/dashboards/rows";
import { metrics, metricsIn, type Metric, type MetricName } from "../../monitoring/metrics";
import { customQueries } from "../../monitoring/queries";
import { example } from "../../monitoring/rules/example";
import { alerts, groups } from "../../monitoring/rules/rules";
import type { MonitoringSettings } from "../../monitoring/settings";
import { beyondReading, diagnosisCommands, placeholder } from "../runbook-commands";

const root = path.join(__dirname, "..", "..");
const runbooks = path.join(root, "docs", "runbooks");
const all = alerts(example);
const recorded = groups(example).flatMap(({ recordings }) => recordings.map(({ record }) => record));
const expressions: [string, string][] = [
  ...groups(example).flatMap((group) => [
    ...group.alerts.map(({ name, expr }): [string, string] => [name, expr]),
    ...group.recordings.map(({ record, expr }): [string, string] => [record, expr]),
  ]),
  ...rows(example).flatMap((row) =>
    row.panels.flatMap(({ title, queries }) =>
      queries.map(({ expr }): [string, string] => [`panel ${row.title}, ${title}`, expr]),
    ),
  ),
];

test.each(expressions)("%s reads only what somebody exports", (_, expr) => {
  const names = metricsIn(expr);
  expect(names.length).toBeGreaterThan(0);
  expect(names.filter((name) => !(name in metrics) && !recorded.includes(name))).toEqual([]);
});

test("every known metric is used", () => {
  const used = new Set(expressions.flatMap(([, expr]) => metricsIn(expr)));
  expect(Object.keys(metrics).filter((name) => !used.has(name))).toEqual([]);
});

test("a counter is never compared as it is: it only grows, and begins anew", () => {
  const counters = (Object.keys(metrics) as MetricName[]).filter((name) => metrics[name].type === "counter");
  const bare = expressions.flatMap(([where, expr]) =>
    counters
      .filter((name) =>
        new RegExp(`(?<!rate\\(|increase\\()\\b${name}\\b`).test(
          expr.replaceAll("absent(", "rate(").replace(/"[^"]*"/g, ""),
        ),
      )
      .map((name) => `${where}: ${name}`),
  );
  expect(bare).toEqual([]);
});

describe("names are those of the operator's source", () => {
  const of = (source: Metric["source"], prefix: string): string[] =>
    Object.entries(metrics).flatMap(([name, metric]) =>
      metric.source === source && name.startsWith(prefix) && !name.startsWith("cnpg_naytife_") ? [name] : [],
    );
  const source = async (...files: string[]): Promise<string> => {
    const directory = await moduleDirectory("cloudnative-pg");
    return files.map((file) => fs.readFileSync(path.join(directory, file), "utf8")).join("\n");
  };

  test("instances: each is of a default query, or of a collector", async () => {
    const file = parse(await source("config/manager/default-monitoring.yaml")) as { data: { queries: string } };
    const queries = Object.entries(
      parse(file.data.queries) as Record<string, { name?: string; metrics: Record<string, { usage: string }>[] }>,
    ).flatMap(([key, { name, metrics: columns }]) =>
      columns.flatMap((column) =>
        Object.entries(column).map(([title, { usage }]) => [`cnpg_${name ?? key}_${title}`, usage] as const),
      ),
    );
    const collectors = await source(
      "pkg/management/postgres/webserver/metricserver/pg_collector.go",
      "pkg/management/postgres/metrics/collector.go",
    );
    const exported = new Map<string, string>([
      ...queries,
      ...[...collectors.matchAll(/\bName: +"(\w+)"/g)].flatMap(([, name = ""]): [string, string][] => [
        [`cnpg_collector_${name}`, "GAUGE"],
        [`cnpg_${name}`, "GAUGE"],
      ]),
    ]);
    const known = of("instance", "cnpg_");
    expect(known.length).toBeGreaterThan(30);
    expect(known.map((name) => [name, exported.get(name)])).toEqual(
      known.map((name) => [name, metrics[name as MetricName].type.toUpperCase()]),
    );
  });

  test("poolers: each is collected, not only declared", async () => {
    const directory = "pkg/management/pgbouncer/metricsserver";
    const exported = (
      await Promise.all(
        ["lists", "pools", "stats"].map(async (subsystem) => {
          const text = await source(`${directory}/${subsystem}.go`);
          return [...text.matchAll(/\bName: +"(\w+)"/g)].map(([, name = ""]) => `cnpg_pgbouncer_${subsystem}_${name}`);
        }),
      )
    ).flat();
    const known = of("pooler", "cnpg_pgbouncer_");
    expect(known.length).toBeGreaterThan(10);
    expect(known.filter((name) => !exported.includes(name))).toEqual([]);
  });

  test("cnpg_pgbouncer_up is still declared and not sent; when it is sent, the pooler's alerts may use it", async () => {
    const text = await source("pkg/management/pgbouncer/metricsserver/pgbouncer_collector.go");
    expect(text).toContain("PgbouncerUp:");
    expect(text).not.toMatch(/PgbouncerUp\.Collect|<- e\.Metrics\.PgbouncerUp/);
  });

  test("our own queries are in the operator's form", () => {
    const queries = parse(customQueries()) as Record<
      string,
      { query: string; metrics: Record<string, { usage: string; description: string }>[] }
    >;
    const made = Object.entries(queries).flatMap(([name, query]) =>
      query.metrics.flatMap((column) =>
        Object.entries(column).flatMap(([title, { usage }]) =>
          usage === "LABEL" ? [] : [[`cnpg_${name}_${title}`, usage.toLowerCase()]],
        ),
      ),
    );
    const known = Object.entries(metrics).filter(([name]) => /^cnpg_naytife_(?!drill_)/.test(name));
    expect(made.sort()).toEqual(known.map(([name, { type }]) => [name, type]).sort());
  });
});

describe("runbooks", () => {
  const files = fs.readdirSync(runbooks);

  test("each alert has one, and each is of an alert", () => {
    expect(files.sort()).toEqual(all.map(({ name }) => `${name}.md`).sort());
  });

  test.each(files)("%s says what it means, what it costs, what to look at, what to do, and what then", (file) => {
    const text = fs.readFileSync(path.join(runbooks, file), "utf8");
    expect(text.split("\n")[0]).toBe(`# ${path.basename(file, ".md")}`);
    expect([...text.matchAll(/^## (.*)$/gm)].map(([, title]) => title)).toEqual([
      "Meaning",
      "Impact",
      "Diagnosis",
      "Mitigation",
      "Afterwards",
    ]);
    expect(text).toContain(`\n## Diagnosis\n\n\`\`\`console\n${placeholder}\n`);
    expect(diagnosisCommands(text).length).toBeGreaterThan(0);
  });

  test.each(files)("%s looks, and changes nothing before it says what to do", (file) => {
    const commands = diagnosisCommands(fs.readFileSync(path.join(runbooks, file), "utf8"));
    expect(commands.flatMap(beyondReading)).toEqual([]);
  });

  test.each(files)("%s leads only to runbooks and documents that are there", (file) => {
    const text = fs.readFileSync(path.join(runbooks, file), "utf8");
    const named = [...text.matchAll(/\bPostgreSQL[A-Z]\w+/g)].map(([name]) => `${name}.md`);
    expect(named.filter((name) => !files.includes(name))).toEqual([]);
  });
});

describe("what may do more than look is known", () => {
  test.each([
    "kubectl -n $N delete pod naytife-postgres-1",
    "kubectl -n $N get pods; kubectl -n $N delete pods --all",
    "kubectl -n $N logs $(kubectl -n $N delete pods --all)",
    "kubectl -n $N get pods -o name | xargs kubectl -n $N delete",
    "for p in 1 2; do kubectl -n $N delete pod naytife-postgres-$p; done",
    "kubectl -n $N $VERB pods",
    "kubectl -n $N get secret cnpg-cluster-secret -o yaml > secret.yaml",
    'kubectl -n $N get "$(kubectl -n $N delete pods --all)"',
    "kubectl -n $N get `kubectl -n $N delete pods --all`",
    "kubectl -n $N get pods & rm -rf /",
    "kubectl -n $N exec naytife-postgres-1 -c postgres -- sh -c 'rm -rf /var/lib/postgresql/data'",
    "kubectl -n $N exec -it naytife-postgres-1 -c postgres -- psql",
    "kubectl -n $N exec naytife-postgres-1 -- psql -f /tmp/file.sql",
    "kubectl -n $N exec naytife-postgres-1 -- psql -c 'DROP TABLE orders'",
    "kubectl -n $N exec naytife-postgres-1 -- psql -c 'SELECT 1; DROP TABLE orders'",
    "kubectl -n $N exec naytife-postgres-1 -- psql -c 'SELECT 1' -c 'DROP TABLE orders'",
    "kubectl -n $N exec naytife-postgres-1 -- psql -c 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity'",
    `kubectl -n $N exec naytife-postgres-1 -- psql -c 'SELECT "pg_terminate_backend"(1)'`,
    "kubectl -n $N exec naytife-postgres-1 -- psql -c 'SELECT * INTO copy FROM orders'",
    "kubectl -n $N exec naytife-postgres-1 -- psql -c 'SELECT * FROM orders FOR UPDATE'",
    "npm run migration -- rollback",
    "npm run drill -- --stack production",
    "pulumi up",
  ])("%s", (command) => {
    expect(beyondReading(command)).not.toEqual([]);
  });
});

describe("alerts", () => {
  test("names are unique", () => {
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
  });

  test("those that page are few, and speak within three and a half minutes of what they see", () => {
    const pages = all.filter(({ severity }) => severity === "page");
    expect(pages.length).toBeLessThanOrEqual(14);
    // Scrape 15 s, the exporter's cache 30 s, evaluation 15 s, and Alertmanager's grouping 30 s are left of five minutes.
    expect(pages.filter(({ for: duration }) => !["0s", "1m", "2m"].includes(duration))).toEqual([]);
  });

  test.each(all.map((alert) => [alert.name, alert] as const))(
    "%s says what is at stake and what to run first",
    (_, alert) => {
      expect(alert.summary).toMatch(/^.{15,}\.$/);
      expect(alert.atStake).toMatch(/^.{15,}\.$/);
      expect(alert.firstCommand).toMatch(/^(kubectl|npm run) /);
      expect(beyondReading(alert.firstCommand)).toEqual([]);
    },
  );

  const names = (changed: Partial<MonitoringSettings["watched"]>): string[] =>
    alerts({ ...example, watched: { ...example.watched, ...changed } }).map(({ name }) => name);

  test("one instance has no replication to watch", () => {
    const one = names({ instances: 1, synchronousReplicas: 0, spread: false });
    expect(one.filter((name) => /Replica(?!tionSlot)|Synchronous|Timeline|OneNode/.test(name))).toEqual([]);
    expect(one).toContain("PostgreSQLPrimaryDown");
  });

  test("what has no source has no rule that would never fire", () => {
    const none = names({ exporters: [], backups: false, drillCronJob: undefined, sourceWatch: undefined });
    expect(
      none.filter((name) => /Volume|Certificate|Migration|Source|Drill|Backup|Wal(?!Held)(Arch|Backlog)/.test(name)),
    ).toEqual([]);
  });

  test("a lost synchronous replica wakes somebody only where commits hang", () => {
    const severity = (dataDurability: "required" | "preferred") =>
      alerts({ ...example, watched: { ...example.watched, dataDurability } }).find(
        ({ name }) => name === "PostgreSQLSynchronousReplicaMissing",
      )?.severity;
    expect([severity("required"), severity("preferred")]).toEqual(["page", "ticket"]);
  });
});
