-- Runs on the source, writes for the staging database: what is copied, piece by piece, and which pieces make a chunk, which is one transaction.
-- A big table is several pieces, by ranges of pages; small tables share a chunk. The plan's source position stands as its schema's comment.
SELECT 'BEGIN;
CREATE SCHEMA naytife_migration_copy;
CREATE TABLE naytife_migration_copy.piece (number int PRIMARY KEY, chunk int NOT NULL, target text NOT NULL, source oid, first bigint, last bigint, bytes bigint NOT NULL);
CREATE TABLE naytife_migration_copy.copied (number int PRIMARY KEY REFERENCES naytife_migration_copy.piece, rows bigint NOT NULL);';
SELECT format('COMMENT ON SCHEMA naytife_migration_copy IS %L;', :'position');
-- All large objects are one piece, and not a transaction.
SELECT format('INSERT INTO naytife_migration_copy.piece VALUES (0, 0, %L, NULL, NULL, NULL, %s);', 'pg_catalog.pg_largeobject', pg_table_size('pg_largeobject'))
 WHERE EXISTS (SELECT FROM pg_largeobject_metadata);
WITH relation AS (
  SELECT c.oid, pg_table_size(c.oid) AS bytes, pg_relation_size(c.oid) / current_setting('block_size')::int AS pages,
         -- Reading a range of pages alone takes PostgreSQL 14 and pages.
         current_setting('server_version_num')::int >= 140000 AND x.oid IS NULL AND a.amhandler = 'heap_tableam_handler'::regproc AS divisible,
         -- A hash partition's rows go in by the topmost table that is partitioned so: an enum's hash follows its OIDs, so they lie in other leaves on the target.
         coalesce((SELECT h.partrelid FROM pg_partition_ancestors(c.oid) WITH ORDINALITY AS ancestor (oid, place) JOIN pg_partitioned_table h ON h.partrelid = ancestor.oid AND h.partstrat = 'h'
                    ORDER BY place DESC LIMIT 1), c.oid)::regclass AS target
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_am a ON a.oid = c.relam
    LEFT JOIN (SELECT unnest(extconfig) AS oid FROM pg_extension WHERE extname <> 'pg_stat_statements') x ON x.oid = c.oid
   WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND c.oid >= 16384 AND n.nspname NOT LIKE 'pg\_toast%'
     -- Of an extension's tables, what it declares to be its users'.
     AND (x.oid IS NOT NULL OR NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))
), divided AS (
  SELECT *, CASE WHEN divisible THEN greatest(least(bytes / :chunk, pages), 1) ELSE 1 END AS parts FROM relation
), piece AS (
  -- Even an empty table takes its time.
  SELECT *, bytes / parts + 1048576 AS weight, row_number() OVER (ORDER BY bytes / parts DESC, oid, part) AS number
    FROM divided, generate_series(0, parts - 1) AS part
), grouped AS (
  SELECT *, CASE WHEN 2 * weight > :chunk THEN -number ELSE (sum(weight) OVER (ORDER BY number))::bigint / :chunk END AS together FROM piece
)
SELECT format('INSERT INTO naytife_migration_copy.piece VALUES (%s, %s, %L, %s, %s, %s, %s);', number, min(number) OVER (PARTITION BY together), target, oid,
    CASE WHEN parts > 1 THEN (pages * part / parts)::text ELSE 'NULL' END, CASE WHEN part < parts - 1 THEN (pages * (part + 1) / parts)::text ELSE 'NULL' END, bytes / parts)
  FROM grouped ORDER BY number;
SELECT 'COMMIT;';
