-- The migration's memory, in the target's database postgres: it is backed up with the cluster, and the application's database holds nothing of ours.
CREATE SCHEMA IF NOT EXISTS naytife_migration;
REVOKE ALL ON SCHEMA naytife_migration FROM PUBLIC;
-- What a run that was cut short left behind, so that the next one knows which of it is ours.
CREATE TABLE IF NOT EXISTS naytife_migration.state (
  target_database text PRIMARY KEY,
  source_freeze text,        -- what default_transaction_read_only was in the source's database before the freeze: "unset", or "set:<value>"
  source_sealed text,        -- the source's database accepts no connections, by us
  target_closed text,        -- connection limit that the target's database had before we closed it
  staging text,              -- the staging database's name, written before it is made
  dump text,                 -- directory of the finished dump
  dump_position text,        -- the source's position that the dump was taken at
  restored_position text,    -- the position that the staging database was copied from, wholly
  warnings text              -- of the phases that a later run need not repeat
);
CREATE TABLE IF NOT EXISTS naytife_migration.phase (
  run text NOT NULL,
  target_database text NOT NULL,
  phase text NOT NULL,
  started timestamptz NOT NULL DEFAULT clock_timestamp(),
  finished timestamptz,
  detail text
);
-- Why the run ended in this phase: what happened, what was left untouched, what to do next. Not there in what an earlier version made.
ALTER TABLE naytife_migration.phase ADD COLUMN IF NOT EXISTS failure jsonb;
-- Roles that the migration made; any other role of the target is left as it is.
CREATE TABLE IF NOT EXISTS naytife_migration.role (
  name text PRIMARY KEY,
  run text NOT NULL
);
-- One row a finished migration. While it is there, no run changes anything.
CREATE TABLE IF NOT EXISTS naytife_migration.marker (
  target_database text PRIMARY KEY,
  run text NOT NULL,
  completed timestamptz NOT NULL DEFAULT clock_timestamp(),
  report jsonb NOT NULL
);
-- The report's checksum, and its signature by the key that lies in the namespace: whoever changes the report changes both or is found. Absent from markers of
-- earlier versions. Nothing else may change the report after the switch.
ALTER TABLE naytife_migration.marker ADD COLUMN IF NOT EXISTS sha256 text, ADD COLUMN IF NOT EXISTS signature text;
-- HMAC-SHA-256 (RFC 2104) of the report as it prints, by 32 bytes of key in hexadecimal.
CREATE OR REPLACE FUNCTION naytife_migration.signature(report jsonb, key text) RETURNS text LANGUAGE sql IMMUTABLE AS $signature$
  SELECT encode(sha256(outer_pad || sha256(inner_pad || convert_to(report::text, 'UTF8'))), 'hex')
    FROM (SELECT decode(string_agg(lpad(to_hex(get_byte(padded, i) # 54), 2, '0'), '' ORDER BY i), 'hex') AS inner_pad, decode(string_agg(lpad(to_hex(get_byte(padded, i) # 92), 2, '0'), '' ORDER BY i), 'hex') AS outer_pad
            FROM (SELECT decode(rpad(key, 128, '0'), 'hex') AS padded) AS keys, generate_series(0, 63) AS i) AS pads
$signature$;
-- The way back. `returned`: the tables as a rollback that was cut short may have left them in the source. `rollback`: what it did, beside the report, which stays
-- as it was signed.
ALTER TABLE naytife_migration.state ADD COLUMN IF NOT EXISTS returned jsonb;
ALTER TABLE naytife_migration.marker ADD COLUMN IF NOT EXISTS rolled_back timestamptz, ADD COLUMN IF NOT EXISTS rollback jsonb;
-- When somebody ended the way back.
ALTER TABLE naytife_migration.marker ADD COLUMN IF NOT EXISTS retain_ended timestamptz;
-- An online run. `publisher`: it made, or was about to make, its role, publication and slots on the source, which must not stay. `change`: which rows changed while
-- they were copied, by their keys as their columns' text; no key: all rows of the table.
ALTER TABLE naytife_migration.state ADD COLUMN IF NOT EXISTS publisher text;
CREATE TABLE IF NOT EXISTS naytife_migration.change (
  target_database text NOT NULL,
  relation text NOT NULL,
  key jsonb,
  number bigint GENERATED ALWAYS AS IDENTITY
);
-- Clients that come by the source's old name wait: `wanted` by the Job, `held` once the engine does it.
ALTER TABLE naytife_migration.state ADD COLUMN IF NOT EXISTS clients text;
-- A row while the target's server has not crashed since that database's copy was begun: a crash empties this table like all that are unlogged.
CREATE UNLOGGED TABLE IF NOT EXISTS naytife_migration.unbroken (
  target_database text PRIMARY KEY
);
-- What was read on either side and is compared; emptied when the comparison is over.
CREATE UNLOGGED TABLE IF NOT EXISTS naytife_migration.fact (
  target_database text NOT NULL,
  side text NOT NULL,
  kind text NOT NULL,
  name text NOT NULL,
  value jsonb NOT NULL
);
-- What is not the same on both sides. Kinds that may differ, because nothing can or should make them the same, refuse neither a migration nor a rollback;
-- warnings.sql and foreseen.sql tell of them. Rows of side `check` are of one side alone.
CREATE OR REPLACE VIEW naytife_migration.difference AS
SELECT target_database, kind, name, source.value AS source, target.value AS target,
       kind IN ('refreshed rows', 'extension version', 'text order', 'index order', 'letter case', 'character class', 'text search') AS may_differ
  FROM (SELECT target_database, kind, name, value FROM naytife_migration.fact WHERE side = 'source') AS source
  FULL JOIN (SELECT target_database, kind, name, value FROM naytife_migration.fact WHERE side = 'target') AS target USING (target_database, kind, name)
 WHERE source.value IS DISTINCT FROM target.value;
