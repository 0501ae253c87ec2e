-- Runs on the frozen source, writes for the staging database: a script that copies anew, with the rows in it, every table that an online copy could not follow.
-- One transaction; its COMMIT is written last, and by the transaction that has read everything.
\ir columns.sql
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT 'BEGIN; SET LOCAL session_replication_role = replica;';
SELECT DISTINCT format('DELETE FROM %s%s %s;', CASE relkind WHEN 'r' THEN 'ONLY ' ELSE '' END, target, filter) FROM (:followed) AS f JOIN pg_class ON oid = target WHERE NOT followed;
SELECT format('SELECT %L', format('COPY %s %s FROM STDIN;', target, '(' || columns || ')')),
       CASE WHEN filter = '' THEN format('COPY %s %s TO STDOUT', source, '(' || columns || ')') ELSE format('COPY (SELECT %s FROM ONLY %s %s) TO STDOUT', columns, source, filter) END,
       format('SELECT %L', '\.')
  FROM (
    SELECT *, (SELECT columns FROM (:carried) AS each WHERE relation = source) AS columns
      FROM (:followed) AS f WHERE NOT followed
  ) AS again
\gexec
SELECT 'COMMIT;';
