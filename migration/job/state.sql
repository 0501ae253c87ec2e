-- The migration's memory, in the target's database postgres: it is backed up with the cluster, and the application's database holds nothing of ours.
CREATE SCHEMA IF NOT EXISTS naytife_migration;
REVOKE ALL ON SCHEMA naytife_migration FROM PUBLIC;
-- What a run that was cut short left behind, so that the next one knows which of it is ours.
CREATE TABLE IF NOT EXISTS naytife_migration.state (
  target_database text PRIMARY KEY,
  source_freeze text,        -- what default_transaction_read_only was in the source's database before the freeze: "unset", or "set:<value>"
  source_sealed text,        -- the source's database accepts no connections, by us
  target_closed text,        -- connection limit that the target's empty database had before we closed it
  staging text,              -- the staging database's name, written before it is made
  dump text,                 -- directory of the finished dump
  dump_position text,        -- the source's position that the dump was taken at
  restored_position text,    -- the position that the staging database was restored from, wholly
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
-- What was read on either side and is compared; emptied when the comparison is over.
CREATE UNLOGGED TABLE IF NOT EXISTS naytife_migration.fact (
  target_database text NOT NULL,
  side text NOT NULL,
  kind text NOT NULL,
  name text NOT NULL,
  value jsonb NOT NULL
);
