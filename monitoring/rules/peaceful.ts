import type { Case } from "./case";
import { series } from "./example";

/** What is done on purpose and wakes nobody: no alert that pages may fire at any of these times. */
export interface Peaceful extends Pick<Case, "story" | "series"> {
  readonly interval: string;
  readonly at: readonly string[];
}

const inRecovery = (number: number): string => series.instance("cnpg_pg_replication_in_recovery", number);
const sender = (from: number, to: number): string =>
  series.instance("cnpg_pg_stat_replication_write_diff_bytes", from, `application_name="naytife-postgres-${to}"`);
const sinceArchival = (number: number): string =>
  series.instance("cnpg_pg_stat_archiver_seconds_since_last_archival", number);
const ready = (number: number): string =>
  series.instance("cnpg_collector_pg_wal_archive_status", number, `value="ready"`);
const pool = (metric: string, letter: string): string =>
  series.pooler(`cnpg_pgbouncer_pools_${metric}`, letter, `database="naytifedb",user="naytife"`);
const pools = (letter: string): string => series.pooler("cnpg_pgbouncer_lists_pools", letter);

/** Six good hours, so that the error budget is what it is in a month's middle. In samples of half a minute. */
const before = (value: string): string => `${value}x720`;
/** A pooler pod whose server connections go with the primary for a minute, while nine clients wait. */
const waitsAt = (letter: string): Record<string, string> => ({
  [pools(letter)]: "2x800",
  [pool("cl_waiting", letter)]: `${before("0")} 9 9 0x60`,
  [pool("sv_active", letter)]: `${before("5")} 0 0 5x60`,
  [pool("sv_idle", letter)]: `${before("2")} 0 0 2x60`,
  [pool("sv_used", letter)]: "0x800",
  [pool("sv_tested", letter)]: "0x800",
  [pool("maxwait", letter)]: `${before("0")} 4 30 0x60`,
});

export const peaceful: readonly Peaceful[] = [
  {
    story: "a planned switchover: a minute without a primary, by the exporters' caches",
    interval: "30s",
    series: {
      [inRecovery(1)]: `${before("0")} stale _ 1x60`,
      [inRecovery(2)]: `${before("1")} 1 1 0x60`,
      [inRecovery(3)]: "1x800",
      [sender(1, 2)]: `${before("0")} stale`,
      [sender(1, 3)]: `${before("0")} stale`,
      [sender(2, 1)]: `_x722 0x60`,
      [sender(2, 3)]: `_x722 0x60`,
      [sinceArchival(1)]: `${before("20")} stale`,
      [sinceArchival(2)]: `_x722 -1 -1 5x60`,
      [ready(1)]: "0x800",
      [ready(2)]: `${before("0")} 0 0 1 1 0x60`,
      ...waitsAt("a"),
      ...waitsAt("b"),
    },
    at: ["6h", "6h1m", "6h1m30s", "6h2m", "6h3m", "6h4m", "6h6m", "6h20m"],
  },
  {
    story: "a rolling update: each replica restarts for two minutes, then the primary hands over",
    interval: "30s",
    series: {
      [inRecovery(1)]: `${before("0")} 0x15 stale _ 1x60`,
      [inRecovery(2)]: `${before("1")} 1x9 stale _x2 1x5 0x60`,
      [inRecovery(3)]: `${before("1")} stale _x2 1x80`,
      [sender(1, 2)]: `${before("0")} 0x9 stale _x2 0x3 stale`,
      [sender(1, 3)]: `${before("0")} stale _x2 0x13 stale`,
      [sender(2, 3)]: `_x738 0x60`,
      [sender(2, 1)]: `_x740 0x60`,
      [pools("a")]: "2x800",
      [pools("b")]: "2x800",
      [pool("maxwait", "a")]: `${before("0")} 0x15 4 20 0x60`,
    },
    at: ["6h1m", "6h2m", "6h4m", "6h6m", "6h7m", "6h8m", "6h9m", "6h10m", "6h12m", "6h30m"],
  },
];
