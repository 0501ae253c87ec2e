import { fires, quiet, type Case } from "./case";
import { series } from "./example";

const primary = series.instance("cnpg_pg_replication_in_recovery", 1);
const wait = series.pooler("cnpg_pgbouncer_pools_maxwait", "a", `database="naytifedb",user="naytife"`);
const calls = (queryid: string): string => series.instance("cnpg_naytife_statements_calls", 1, `queryid="${queryid}"`);
const seconds = (queryid: string): string =>
  series.instance("cnpg_naytife_statements_exec_seconds", 1, `queryid="${queryid}"`);

export const serviceLevelCases: readonly Case[] = [
  {
    alert: "PostgreSQLErrorBudgetBurning",
    story: "six good hours, then four minutes away",
    series: { [primary]: "0x360 stale _x3 0x180", [wait]: "0x600" },
    expect: [quiet("6h"), fires("6h6m", {}, "6.639%"), quiet("6h40m")],
  },
  {
    alert: "PostgreSQLErrorBudgetBurning",
    story: "many short interruptions that no other alert waits for: half a minute every five",
    interval: "15s",
    series: { [primary]: `0x240${" stale _ 0x17".repeat(12)}`, [wait]: "0x700" },
    expect: [quiet("1h"), fires("1h50m", {}, "8.299%")],
  },
  {
    alert: "PostgreSQLErrorBudgetBurning",
    story: "a planned switchover, seen as a minute without a primary",
    series: { [primary]: "0x360 stale 0x120", [wait]: "0x600" },
    expect: [quiet("6h1m"), quiet("6h3m"), quiet("6h30m")],
  },
  {
    alert: "PostgreSQLErrorBudgetBurning",
    story: "a planned switchover five minutes after Prometheus began",
    series: { [primary]: "0x5 stale 0x60", [wait]: "0x70" },
    expect: [quiet("6m"), quiet("8m"), quiet("12m"), quiet("40m")],
  },
  {
    alert: "PostgreSQLErrorBudgetBurning",
    story: "a rolling update with two switchovers, ten minutes apart",
    series: { [primary]: "0x360 stale 0x10 stale 0x120", [wait]: "0x600" },
    expect: [quiet("6h12m"), quiet("6h14m"), quiet("6h30m")],
  },
  {
    alert: "PostgreSQLErrorBudgetSpent",
    story: "six minutes away, and six good hours after it",
    series: { [primary]: "0x360 stale _x5 0x480", [wait]: "0x900" },
    expect: [quiet("6h"), fires("6h30m", {}, "0.4119%"), quiet("12h30m")],
  },
  {
    alert: "PostgreSQLErrorBudgetSpent",
    story: "clients wait a second now and then",
    series: { [primary]: "0x900", [wait]: "0 1x100 0x700" },
    expect: [quiet("6h"), quiet("12h")],
  },
  {
    alert: "PostgreSQLQueriesSlow",
    story: "every second call takes 200 ms, until it is mended",
    series: {
      [calls("1")]: "0+60x90",
      [seconds("1")]: "0+12x30 360+0.6x60",
      [calls("2")]: "0+60x90",
      [seconds("2")]: "0+0.6x90",
    },
    expect: [quiet("10m"), fires("25m", {}, "50%"), quiet("50m")],
  },
  {
    alert: "PostgreSQLQueriesSlow",
    story: "slow, but one call of forty; counters start anew in between",
    series: {
      [calls("1")]: "0+1x60",
      [seconds("1")]: "0+5x60",
      [calls("2")]: "0+40x20 0+40x40",
      [seconds("2")]: "0+0.4x20 0+0.4x40",
    },
    expect: [quiet("22m"), quiet("40m")],
  },
  {
    alert: "PostgreSQLQueriesSlow",
    story: "nobody asks anything",
    series: { [calls("1")]: "100x60", [seconds("1")]: "50x60" },
    expect: [quiet("40m")],
  },
];
