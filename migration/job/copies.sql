-- Runs on the source: how each chunk that is left ($WORK/left) is copied, in that order. One whose rows go in their binary form, which is one piece, by this command of
-- psql's, which fails where its program does; any other by its pieces (chunk.sql), the large objects by themselves.
\ir columns.sql
\set chunks `cat "$WORK/left"`
SELECT each -> 'chunk', CASE WHEN (each -> 'pieces' -> 0 ->> 'binary')::boolean THEN (
    SELECT format(E'\\copy %s (%s) FROM PROGRAM ''psql service=source -X -A -t -q -v ON_ERROR_STOP=1 -v VERBOSITY=terse -v SHOW_CONTEXT=never -v snapshot=%s -v relation=%s -v first=%s -v last=%s -f %s/rows.sql'' (FORMAT binary)',
        target, columns, :'snapshot', source, coalesce(first, 0), coalesce(last, 4294967295), :'scripts')
      FROM jsonb_to_recordset(each -> 'pieces') AS p (target text, source oid, first bigint, last bigint) JOIN (:carried) AS carried ON relation = source)
    ELSE (each -> 'pieces')::text END
  FROM jsonb_array_elements(:'chunks') WITH ORDINALITY AS chunks (each, place) ORDER BY place;
