-- Runs on the source, writes for the staging database: a script that copies the one piece of a chunk in its binary form. psql fails where the program does, so that the
-- COMMIT is never reached by what breaks off. A piece that is recorded already ends it too.
\ir columns.sql
SELECT 'BEGIN;';
SELECT format(E'\\copy %s (%s) FROM PROGRAM ''psql service=source -X -A -t -q -v ON_ERROR_STOP=1 -v VERBOSITY=terse -v SHOW_CONTEXT=never -v snapshot=%s -v relation=%s -v first=%s -v last=%s -f %s/rows.sql'' (FORMAT binary)',
    target, columns, :'snapshot', source, coalesce(first, 0), coalesce(last, 4294967295), :'scripts')
  FROM jsonb_to_recordset(:'pieces') AS p (target text, source oid, first bigint, last bigint) JOIN (:carried) AS each ON relation = source;
SELECT format('INSERT INTO naytife_migration_copy.copied VALUES (%s, :ROW_COUNT);', number) FROM jsonb_to_recordset(:'pieces') AS p (number int);
SELECT 'COMMIT;';
