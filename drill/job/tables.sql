-- Runs on the primary in the drill's own database: what the drill remembers. It comes along into every restored copy, which is what makes the canary one.
CREATE TABLE IF NOT EXISTS drill (
  id text PRIMARY KEY,
  started timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- Kubernetes ends it then at the latest: one that has not said how it ended was killed.
  ends_by timestamptz NOT NULL,
  finished timestamptz,
  passed boolean,
  reason text,
  rto_seconds numeric,
  rpo_seconds numeric,
  largest_database_bytes numeric
);
CREATE TABLE IF NOT EXISTS canary (drill text PRIMARY KEY REFERENCES drill, planted timestamptz NOT NULL DEFAULT clock_timestamp());
-- A row that is written after the point to which the copy is restored, and so must not be in it.
CREATE TABLE IF NOT EXISTS afterwards (drill text PRIMARY KEY REFERENCES drill);
-- What was read on either side ("primary", "restored"), and what was measured ("drill").
CREATE TABLE IF NOT EXISTS fact (drill text REFERENCES drill, side text, kind text, name text, value jsonb, PRIMARY KEY (drill, side, kind, name));
-- The exporter's role is a member; metrics.yaml reads it.
GRANT SELECT ON drill TO pg_monitor;
