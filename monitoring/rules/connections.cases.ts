import { fires, quiet, type Case } from "./case";
import { instancePod, poolerPod, series } from "./example";

const backends = (state: string): string =>
  series.instance("cnpg_backends_total", 1, `datname="naytifedb",usename="naytife",state="${state}"`);
const maxConnections = series.instance("cnpg_pg_settings_setting", 1, `name="max_connections"`);
const reserved = series.instance("cnpg_pg_settings_setting", 1, `name="superuser_reserved_connections"`);
const transaction = (application: string): string =>
  series.instance(
    "cnpg_backends_max_tx_duration_seconds",
    1,
    `datname="naytifedb",usename="naytife",application_name="${application}",state="active"`,
  );
const pool = (metric: string, letter = "a"): string =>
  series.pooler(`cnpg_pgbouncer_pools_${metric}`, letter, `database="naytifedb",user="naytife"`);
const console_ = (metric: string): string =>
  series.pooler(`cnpg_pgbouncer_pools_${metric}`, "a", `database="pgbouncer",user="pgbouncer"`);
const lists = (metric: string, letter: string): string => series.pooler(`cnpg_pgbouncer_lists_${metric}`, letter);
const noneIdle = { [pool("sv_idle")]: "0x40", [pool("sv_used")]: "0x40", [pool("sv_tested")]: "0x40" };

export const connectionCases: readonly Case[] = [
  {
    alert: "PostgreSQLConnectionsHigh",
    story: "170 of 200, over two states, then few",
    series: {
      [backends("active")]: "100x10 10x10",
      [backends("idle")]: "70x10 10x10",
      [maxConnections]: "200x20",
      [reserved]: "0x20",
    },
    expect: [quiet("4m"), fires("6m", instancePod(1), "85%"), quiet("12m")],
  },
  {
    alert: "PostgreSQLConnectionsHigh",
    story: "four fifths exactly",
    series: { [backends("idle")]: "160x20", [maxConnections]: "200x20", [reserved]: "0x20" },
    expect: [quiet("15m")],
  },
  {
    alert: "PostgreSQLConnectionsExhausted",
    story: "196 of 200, then few",
    series: { [backends("idle")]: "196x5 20x10", [maxConnections]: "200x20", [reserved]: "0x20" },
    expect: [fires("3m", instancePod(1), "98%"), quiet("7m")],
  },
  {
    alert: "PostgreSQLConnectionsExhausted",
    story: "all but those that are kept for superusers",
    series: { [backends("idle")]: "57x5 20x10", [maxConnections]: "60x20", [reserved]: "3x20" },
    expect: [fires("3m", instancePod(1), "100%"), quiet("7m")],
  },
  {
    alert: "PostgreSQLConnectionsExhausted",
    story: "many, but a ticket's matter",
    series: { [backends("idle")]: "185x20", [maxConnections]: "200x20", [reserved]: "0x20" },
    expect: [quiet("15m")],
  },
  {
    alert: "PostgreSQLLongTransaction",
    story: "a report forgets to commit, and is ended",
    series: { [transaction("report")]: "2000x5 0x5" },
    expect: [
      fires(
        "2m",
        { ...instancePod(1), datname: "naytifedb", usename: "naytife", application_name: "report" },
        "33m 20s",
      ),
      quiet("7m"),
    ],
  },
  {
    alert: "PostgreSQLLongTransaction",
    story: "the migration copies for hours",
    series: { [transaction("naytife_migration 20261121T220000Z")]: "9000x20", [transaction("shop")]: "1x20" },
    expect: [quiet("10m")],
  },
  {
    alert: "PostgreSQLPoolerDown",
    story: "every pod goes, and one comes back",
    series: { [lists("pools", "a")]: "2x3 stale", [lists("pools", "b")]: "2x2 stale _x10 2x10" },
    expect: [quiet("5m"), fires("7m", {}), quiet("15m")],
  },
  {
    alert: "PostgreSQLPoolerDown",
    story: "a rolling update: the new pod is there before the old one goes",
    series: {
      [lists("pools", "a")]: "2x5 stale",
      [lists("pools", "b")]: "2x8 stale",
      [lists("pools", "c")]: "_x4 2x30",
      [lists("pools", "d")]: "_x7 2x30",
    },
    expect: [quiet("6m"), quiet("9m"), quiet("12m")],
  },
  {
    alert: "PostgreSQLPoolerDegraded",
    story: "one of two is gone for a quarter of an hour",
    series: { [lists("pools", "a")]: "2x40", [lists("pools", "b")]: "2x2 stale _x15 2x10" },
    expect: [fires("14m", {}, "1"), quiet("20m")],
  },
  {
    alert: "PostgreSQLPoolerDegraded",
    story: "one is replaced",
    series: { [lists("pools", "a")]: "2x40", [lists("pools", "b")]: "2x2 stale", [lists("pools", "c")]: "_x6 2x30" },
    expect: [quiet("5m"), quiet("14m"), quiet("20m")],
  },
  {
    alert: "PostgreSQLPoolerStuck",
    story: "paused and forgotten, then resumed",
    series: {
      [pool("cl_waiting")]: "5x5 0x10",
      [pool("sv_active")]: "0x15",
      ...noneIdle,
      [console_("sv_active")]: "1x15",
    },
    expect: [fires("3m", poolerPod("a"), "5"), quiet("7m")],
  },
  {
    alert: "PostgreSQLPoolerStuck",
    story: "busy is not stuck",
    series: { [pool("cl_waiting")]: "5x15", [pool("sv_active")]: "20x15", ...noneIdle },
    expect: [quiet("10m")],
  },
  {
    alert: "PostgreSQLPoolerStuck",
    story: "paused for a switchover, a minute",
    interval: "15s",
    series: { [pool("cl_waiting")]: "0x3 9x4 0x20", [pool("sv_active")]: "5x3 0x4 5x20", ...noneIdle },
    expect: [quiet("1m30s"), quiet("2m"), quiet("4m")],
  },
  {
    alert: "PostgreSQLPoolerExhausted",
    story: "every connection is busy for ten minutes",
    series: { [pool("cl_waiting")]: "5x10 0x10", [pool("sv_active")]: "20x20", ...noneIdle },
    expect: [fires("6m", poolerPod("a"), "5"), quiet("12m")],
  },
  {
    alert: "PostgreSQLPoolerExhausted",
    story: "somebody waits for a login while connections are idle",
    series: {
      [pool("cl_waiting")]: "1x20",
      [pool("sv_active")]: "5x20",
      [pool("sv_idle")]: "3x20",
      [pool("sv_used")]: "0x20",
      [pool("sv_tested")]: "0x20",
    },
    expect: [quiet("12m")],
  },
  {
    alert: "PostgreSQLPoolerWaiting",
    story: "ten seconds, for five minutes",
    series: { [pool("maxwait")]: "10x5 0x5" },
    expect: [fires("3m", poolerPod("a"), "10s"), quiet("7m")],
  },
  {
    alert: "PostgreSQLPoolerWaiting",
    story: "a short wait, and one at PgBouncer's own console",
    series: { [pool("maxwait")]: "4x20", [console_("maxwait")]: "60x20" },
    expect: [quiet("10m")],
  },
  {
    alert: "PostgreSQLPoolerClientsHigh",
    story: "850 of 1000 clients, then fewer",
    series: { [lists("used_clients", "a")]: "850x10 100x10", [lists("used_clients", "b")]: "10x20" },
    expect: [fires("6m", poolerPod("a"), "85%"), quiet("12m")],
  },
  {
    alert: "PostgreSQLPoolerClientsHigh",
    story: "many on all pods together, few on each",
    series: { [lists("used_clients", "a")]: "600x20", [lists("used_clients", "b")]: "600x20" },
    expect: [quiet("12m")],
  },
];
