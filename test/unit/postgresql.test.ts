import { fitsConnectionBudget } from "../../postgresql/connection-budget";
import { connectionUrl } from "../../postgresql/connection-url";
import { formatMemorySize, memorySize } from "../../postgresql/memory-size";
import {
  effectiveCacheSizeFor,
  parametersWithKeys,
  postgresqlParameters,
  sharedBuffersFor,
  type ParameterSettings,
} from "../../postgresql/parameters";
import { quantity } from "../../postgresql/quantity";

const settings: ParameterSettings = {
  memory: "2Gi",
  maxConnections: 200,
  sharedBuffers: "",
  effectiveCacheSize: "",
  workMem: "4MB",
  maintenanceWorkMem: "64MB",
  walBuffers: "16MB",
  checkpointCompletionTarget: "0.9",
  defaultStatisticsTarget: 100,
  randomPageCost: "1.1",
  effectiveIoConcurrency: 200,
  logStatement: "ddl",
  logMinDurationStatement: 1000,
  logCheckpoints: true,
  logConnections: true,
  logDisconnections: false,
  logLockWaits: true,
  postgresqlParameters: {},
};

test.each([
  ["512Mi", 512 * 2 ** 20],
  ["1.5Gi", 1.5 * 2 ** 30],
  ["10G", 10e9],
  ["500m", 0.5],
  ["2", 2],
])("the quantity %s is %d", (text, value) => {
  expect(quantity(text)).toBe(value);
});

test.each(["", "Gi", "-1", "1e3", "2 Gi", "2gi", "2Gb", "1.2.3"])("%p is no quantity", (text) => {
  expect(quantity(text)).toBeUndefined();
});

test.each(["", "256", "256mb", "256M", "-1MB", "1.5GB"])("%p is no PostgreSQL memory size", (text) => {
  expect(memorySize(text)).toBeUndefined();
});

test.each([
  [2 ** 30, "1GB"],
  [1536 * 2 ** 20, "1536MB"],
  [1025, "1kB"],
  [0, "0kB"],
])("%d bytes are written %s", (bytes, text) => {
  expect(formatMemorySize(bytes)).toBe(text);
});

test("production's memory gives the plan's numbers", () => {
  expect(sharedBuffersFor("2Gi")).toBe("256MB");
  expect(effectiveCacheSizeFor("2Gi")).toBe("1GB");
});

test("memory parameters that are set are not derived", () => {
  expect(postgresqlParameters({ ...settings, sharedBuffers: "300MB", effectiveCacheSize: "900MB" })).toMatchObject({
    shared_buffers: "300MB",
    effective_cache_size: "900MB",
  });
});

test("every parameter is text, in PostgreSQL's words", () => {
  const parameters = postgresqlParameters({ ...settings, postgresqlParameters: { jit: "off" } });
  expect(parameters).toMatchObject({
    max_connections: "200",
    log_connections: "on",
    log_disconnections: "off",
    jit: "off",
  });
  expect(Object.values(parameters).every((value) => typeof value === "string")).toBe(true);
});

test("a further parameter can replace none that has a key of its own", () => {
  const own = Object.keys(postgresqlParameters(settings)).filter((name) => !name.startsWith("pg_stat_statements."));
  // archive_timeout follows from backupRecoveryPoint.
  expect([...parametersWithKeys].sort()).toEqual([...own, "archive_timeout"].sort());
});

test("pg_stat_statements is asked for by a setting, never by shared_preload_libraries, which the operator refuses", () => {
  const parameters = postgresqlParameters(settings);
  expect(parameters).not.toHaveProperty("shared_preload_libraries");
  expect(parameters).toHaveProperty(["pg_stat_statements.max"]);
});

test("a URL insists on TLS and carries no search_path", () => {
  const url = connectionUrl({
    username: "naytife",
    password: "a:b@c/d?e#f%'",
    host: "db.naytife.svc",
    port: 5432,
    database: "naytifedb",
  });
  expect(url).toBe("postgresql://naytife:a%3Ab%40c%2Fd%3Fe%23f%25%27@db.naytife.svc:5432/naytifedb?sslmode=require");
});

test("the connection budget holds exactly up to max_connections", () => {
  const budget = { reservedConnections: 50, poolerInstances: 2, poolerMaxDatabaseConnections: 50 };
  expect(fitsConnectionBudget({ ...budget, maxConnections: 200 })).toBe(true);
  expect(fitsConnectionBudget({ ...budget, maxConnections: 199 })).toBe(false);
});
