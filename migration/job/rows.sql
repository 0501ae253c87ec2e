-- Runs on the source: the rows on the pages from `first` to before `last` of a table, in their binary form. Generated columns are computed anew.
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET TRANSACTION SNAPSHOT :'snapshot';
SELECT format('COPY (SELECT %s FROM ONLY %s WHERE ctid >= ''(%s,0)'' AND ctid < ''(%s,0)'') TO STDOUT (FORMAT binary)', string_agg(quote_ident(attname), ', ' ORDER BY attnum), attrelid::regclass, :'first', :'last')
  FROM pg_attribute WHERE attrelid = :relation AND attnum > 0 AND NOT attisdropped AND attgenerated = '' GROUP BY attrelid
\gexec
COMMIT;
