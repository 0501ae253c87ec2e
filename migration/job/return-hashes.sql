-- Runs on the target: where the rows of one table lie, and their hashes. `nth` tells rows apart that are the same.
\set table `cat "$TABLE"`
SELECT format('COPY (SELECT hash, row_number() OVER (PARTITION BY hash), part, place FROM (%s) AS naytife_row) TO STDOUT', :'table'::json ->> 'rows')
\gexec
