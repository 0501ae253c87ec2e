-- Runs on the target: the contents of large objects.
\set objects `cat "$WORK/return/objects"`
SELECT format('COPY (SELECT loid, pageno, data FROM pg_largeobject WHERE loid IN (SELECT json_array_elements_text(%L)::oid)) TO STDOUT', :'objects')
\gexec
