-- Runs on the source, writes for the staging database: what is copied, piece by piece, and which pieces make a chunk, which is one transaction.
-- A big table is several pieces, by ranges of pages; small tables share a chunk. The plan's source position stands as its schema's comment.
SELECT 'BEGIN;
CREATE SCHEMA naytife_migration_copy;
CREATE TABLE naytife_migration_copy.piece (number int PRIMARY KEY, chunk int NOT NULL, target text NOT NULL, source oid, first bigint, last bigint, bytes bigint NOT NULL, "binary" boolean NOT NULL);
CREATE TABLE naytife_migration_copy.copied (number int PRIMARY KEY REFERENCES naytife_migration_copy.piece, rows bigint NOT NULL);';
SELECT format('COMMENT ON SCHEMA naytife_migration_copy IS %L;', :'position');
-- All large objects are one piece, and not a transaction.
SELECT format('INSERT INTO naytife_migration_copy.piece VALUES (0, 0, %L, NULL, NULL, NULL, %s, false);', 'pg_catalog.pg_largeobject', pg_table_size('pg_largeobject'))
 WHERE EXISTS (SELECT FROM pg_largeobject_metadata);
WITH relation AS (
  SELECT c.oid, pg_table_size(c.oid) AS bytes, pg_relation_size(c.oid) / current_setting('block_size')::int AS pages,
         -- Reading a range of pages alone takes PostgreSQL 14 and pages.
         current_setting('server_version_num')::int >= 140000 AND x.oid IS NULL AND a.amhandler = 'heap_tableam_handler'::regproc AS divisible,
         -- A value's binary form costs half of what its text does, on both sides. Of these types it is the same in all versions, and holds no OID; an enum's is its label.
         -- The names must stand in one line of psql's. Without a column there is nothing that could have one.
         (SELECT bool_and(t.attname !~ '[[:cntrl:]]' AND (y.typtype = 'e' OR CASE WHEN y.typcategory = 'A' THEN y.typelem ELSE y.oid END = ANY ('{bool,bytea,int2,int4,int8,float4,float8,numeric,text,varchar,bpchar,date,time,timestamp,timestamptz,uuid,json,jsonb}'::regtype[])))
            FROM pg_attribute t JOIN pg_type y ON y.oid = t.atttypid WHERE t.attrelid = c.oid AND t.attnum > 0 AND NOT t.attisdropped AND t.attgenerated = '') IS TRUE
           AND c.oid::regclass::text !~ '[[:cntrl:]]' AS plain,
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
SELECT format('INSERT INTO naytife_migration_copy.piece VALUES (%s, %s, %L, %s, %s, %s, %s, %L);', number, min(number) OVER (PARTITION BY together), target, oid,
    CASE WHEN parts > 1 THEN (pages * part / parts)::text ELSE 'NULL' END, CASE WHEN part < parts - 1 THEN (pages * (part + 1) / parts)::text ELSE 'NULL' END, bytes / parts,
    divisible AND plain AND together < 0 AND target = oid)
  FROM grouped ORDER BY number;
-- Autovacuum would take as much of the target as the copy does. It comes when all is there; where a table has a setting of its own, that holds.
SELECT 'CREATE TABLE naytife_migration_copy.unattended AS
SELECT oid::regclass AS relation FROM pg_class WHERE relkind = ''r'' AND array_to_string(reloptions, '','') !~ ''autovacuum_enabled'' IS NOT FALSE AND oid IN (
  SELECT coalesce(tree.relid, to_regclass(target)) FROM (SELECT target FROM naytife_migration_copy.piece WHERE number > 0 GROUP BY target HAVING sum(bytes) >= 8388608) AS big LEFT JOIN pg_partition_tree(to_regclass(target)) AS tree ON true);
SELECT format(''ALTER TABLE %s SET (autovacuum_enabled = off)'', relation) FROM naytife_migration_copy.unattended \gexec';
SELECT 'COMMIT;';
