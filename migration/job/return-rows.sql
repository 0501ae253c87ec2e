-- Runs on the target: the rows of one table that lie at the places given.
\set table `cat "$TABLE"`
\set places `cat "$PLACES"`
SELECT format('COPY (SELECT %s FROM %s%s AS naytife_row WHERE (tableoid, ctid) IN (SELECT (place ->> 0)::oid, (place ->> 1)::tid FROM json_array_elements(%L) AS place)) TO STDOUT',
  t ->> 'columns', t ->> 'alone', t ->> 'relation', :'places') FROM (SELECT :'table'::json) AS of (t)
\gexec
