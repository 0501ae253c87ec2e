/** What is written to the database: rows of a shop, placed and changed. SQL, made by the server from their numbers and chance. */
import type { Load } from "./plan";

/** Makes the tables that the loads write to, empty. */
export const tables = [
  "CREATE SCHEMA IF NOT EXISTS bench",
  "DROP TABLE IF EXISTS bench.orders, bench.commits",
  `CREATE TABLE bench.orders (id bigserial PRIMARY KEY, customer uuid NOT NULL DEFAULT gen_random_uuid(), placed timestamptz NOT NULL DEFAULT now(),
     state text NOT NULL, amount numeric(10, 2) NOT NULL, note text) WITH (autovacuum_enabled = false)`,
  "CREATE INDEX ON bench.orders (customer)",
  "CREATE INDEX ON bench.orders (placed)",
  "CREATE TABLE bench.commits (at timestamptz NOT NULL DEFAULT clock_timestamp(), position pg_lsn NOT NULL DEFAULT pg_current_wal_insert_lsn())",
];

/** One transaction of PL/pgSQL: so many orders are placed, a quarter as many are changed. */
const transaction = (orders: number) => `
  INSERT INTO bench.orders (state, amount, note)
    SELECT (ARRAY['new', 'paid', 'sent'])[1 + n % 3], (random() * 1000)::numeric(10, 2), 'order of ' || md5(random()::text) FROM generate_series(1, ${orders}) AS n;
  UPDATE bench.orders SET state = 'sent', note = note || ', changed'
    WHERE id = ANY (ARRAY(SELECT 1 + floor(random() * (SELECT max(id) FROM bench.orders))::bigint FROM generate_series(1, ${Math.ceil(orders / 4)})));
  INSERT INTO bench.commits DEFAULT VALUES;
  COMMIT;`;

/** Writes until so many bytes of WAL have come. */
export function untilWritten(bytes: number): string {
  return `DO $load$ DECLARE began pg_lsn := pg_current_wal_insert_lsn(); BEGIN
  WHILE pg_current_wal_insert_lsn() - began < ${bytes} LOOP ${transaction(500)}
  END LOOP; END $load$`;
}

/** Orders in a transaction, of which there are at most ten a second. */
const orders: Readonly<Record<Load, number>> = { light: 4, heavy: 600 };

/** Orders that a load places in a second, at most. */
export const ordersPerSecond = (load: Load) => orders[load] * 10;

/** Writes for so many seconds, and ends by itself. */
export function forSeconds(load: Load, seconds: number): string {
  return `DO $load$ DECLARE last timestamptz := clock_timestamp() + make_interval(secs => ${seconds}); BEGIN
  WHILE clock_timestamp() < last LOOP ${transaction(orders[load])}
    PERFORM pg_sleep(0.1);
  END LOOP; END $load$`;
}

/**
 * How old the oldest commit is that is not in the store (null: all are), how many segments wait, and where the WAL is. What lies before the end of the
 * last segment that was archived is in the store: segments are reported in their order.
 */
export const oldestCommit = `SELECT json_build_object(
  'age', (SELECT extract(epoch FROM clock_timestamp() - min(at)) FROM bench.commits WHERE position >= archived),
  'waiting', (SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'),
  'commits', (SELECT count(*) FROM bench.commits),
  'position', pg_current_wal_insert_lsn() - '0/0')
FROM (SELECT '0/0'::pg_lsn + coalesce((SELECT (segment_number + 1) * pg_size_bytes(current_setting('wal_segment_size'))
  FROM pg_stat_archiver, pg_split_walfile_name(left(last_archived_wal, 24)) WHERE last_archived_wal ~ '^[0-9A-F]{24}'), 0) AS archived) AS store`;

/** The most that one part of the filling holds. */
const largestPart = 250e6;

/** Bytes that a row of a part takes with its index; reckoned. */
const bytesPerRow = 220;

/** How the parts that are there, each of so many bytes, become parts of `bytes` in all: the last ones go, new ones are added. */
export function resized(parts: readonly number[], bytes: number): { readonly kept: number; readonly added: number[] } {
  let kept = parts.length;
  let sum = parts.reduce((all, part) => all + part, 0);
  while (kept > 0 && sum > bytes) {
    kept -= 1;
    sum -= parts[kept] ?? 0;
  }
  const added: number[] = [];
  while (sum < bytes) {
    const part = Math.min(largestPart, bytes - sum);
    added.push(part);
    sum += part;
  }
  return { kept, added };
}

/**
 * Statements of one session that make a part of the filling, whose rows do not compress to nothing. They are frozen as they are written: whoever read them
 * first would write them all again, hint bits and checksums, into the WAL.
 */
export function makePart(number: number, bytes: number): string[] {
  const rows = Math.round(bytes / bytesPerRow);
  const program = `srand(${number}); for (1 .. ${rows}) { printf "%d\\t%d\\tpaid\\t2026-11-22 00:00:00+00\\t%.2f\\t%s\\n", $_, rand(1e6), rand(1000), join("", map { sprintf "%08x", rand(4294967296) } 1 .. 16) }`;
  return [
    "BEGIN",
    `CREATE TABLE bench.part_${number} (id bigint PRIMARY KEY, customer integer, state text, placed timestamptz, amount numeric(10, 2), note text) WITH (autovacuum_enabled = false)`,
    `COPY bench.part_${number} FROM PROGRAM $program$perl -e '${program}'$program$ WITH (FREEZE)`,
    "COMMIT",
  ];
}

export const dropPart = (number: number) => `DROP TABLE bench.part_${number}`;
