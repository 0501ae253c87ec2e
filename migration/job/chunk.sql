-- Runs on the source, writes for the staging database: a script that copies the pieces of one chunk, with their rows in it. Its COMMIT is written last, and by the
-- transaction that has read everything: what breaks off, on either side, leaves nothing. A piece that is recorded already ends it too.
\ir columns.sql
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET TRANSACTION SNAPSHOT :'snapshot';
SELECT 'BEGIN;';
SELECT format('SELECT %L', format('COPY %s %s FROM STDIN;', target, '(' || columns || ')')),
       CASE WHEN range = '' THEN format('COPY %s %s TO STDOUT', relation, '(' || columns || ')') ELSE format('COPY (SELECT %s FROM ONLY %s %s) TO STDOUT', columns, relation, range) END,
       format('SELECT %L', '\.'),
       format('SELECT %L', format('INSERT INTO naytife_migration_copy.copied VALUES (%s, :ROW_COUNT);', number))
  FROM (
    SELECT p.number, p.target, p.source::regclass AS relation,
           coalesce(x.condition, CASE WHEN p.first IS NULL THEN '' ELSE format('WHERE ctid >= ''(%s,0)''', p.first) || CASE WHEN p.last IS NULL THEN '' ELSE format(' AND ctid < ''(%s,0)''', p.last) END END) AS range,
           (SELECT columns FROM (:carried) AS each WHERE relation = p.source) AS columns
      FROM jsonb_to_recordset(:'pieces') AS p (number int, target text, source oid, first bigint, last bigint)
      LEFT JOIN (SELECT unnest(extconfig) AS oid, nullif(unnest(extcondition), '') AS condition FROM pg_extension) x ON x.oid = p.source
  ) AS piece ORDER BY number
\gexec
SELECT 'COMMIT;';
