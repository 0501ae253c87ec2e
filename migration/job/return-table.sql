-- Runs on the source, in the one transaction of the way back: makes the rows of one table those of the target, touching only rows that differ. What it
-- does not touch cannot be refused by a constraint that is not valid, and the old server need not write a whole table for a few rows.
\set table `cat "$TABLE"`
CREATE TEMP TABLE wanted (hash uuid, nth bigint, part oid, place tid);
\copy wanted FROM PROGRAM 'bash "$SCRIPTS/return-rows.sh" hashes'
SELECT format('CREATE TEMP TABLE had AS SELECT hash, row_number() OVER (PARTITION BY hash) AS nth, part, place FROM (%s) AS naytife_row', :'table'::json ->> 'rows')
\gexec
ANALYZE wanted, had;
SELECT format('DELETE FROM %s%s AS naytife_row USING had WHERE naytife_row.tableoid = had.part AND naytife_row.ctid = had.place AND NOT EXISTS (SELECT FROM wanted WHERE wanted.hash = had.hash AND wanted.nth = had.nth)', t ->> 'alone', t ->> 'relation')
  FROM (SELECT :'table'::json) AS of (t)
\gexec
\copy (SELECT json_build_array(part, place::text) FROM wanted WHERE NOT EXISTS (SELECT FROM had WHERE had.hash = wanted.hash AND had.nth = wanted.nth)) TO PROGRAM 'cat >"$WORK/return/places"'
SELECT format('CREATE TEMP TABLE incoming AS SELECT %s FROM %s AS naytife_row WITH NO DATA', t ->> 'columns', t ->> 'relation') FROM (SELECT :'table'::json) AS of (t)
\gexec
\copy incoming FROM PROGRAM 'bash "$SCRIPTS/return-rows.sh" rows'
SELECT format('INSERT INTO %s %s OVERRIDING SYSTEM VALUE SELECT * FROM incoming', t ->> 'relation', '(' || (t ->> 'columns') || ')') FROM (SELECT :'table'::json) AS of (t)
\gexec
DROP TABLE wanted, had, incoming;
