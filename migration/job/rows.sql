-- Runs on the source: the rows on the pages from `first` to before `last` of a table, in their binary form.
\ir columns.sql
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET TRANSACTION SNAPSHOT :'snapshot';
SELECT format('COPY (SELECT %s FROM ONLY %s WHERE ctid >= ''(%s,0)'' AND ctid < ''(%s,0)'') TO STDOUT (FORMAT binary)', columns, relation::regclass, :'first', :'last')
  FROM (:carried) AS each WHERE relation = :relation
\gexec
COMMIT;
