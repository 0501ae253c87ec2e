-- One line for all large objects: how many, their bytes, and two sums of hashes as of a table's rows (row-hash.sql): the order of their pages does not matter, and a
-- changed, missing or doubled page does, since its hash is that of the object's number, of its place, and of its bytes. Where the catalog that holds them has more
-- than :hash_limit bytes they are only counted. On the primary as :snapshot shows them.
\if :{?snapshot}
  BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
  SET TRANSACTION SNAPSHOT :'snapshot';
\endif
SELECT pg_table_size('pg_catalog.pg_largeobject') <= :hash_limit AS hashed \gset
SELECT json_build_object('bytes', pg_table_size('pg_catalog.pg_largeobject'), 'kind', 'large objects', 'name', 'all', 'value', json_build_object(
    -- One without a byte has no page.
    'objects', (SELECT count(*) FROM pg_largeobject_metadata),
    'bytes', coalesce(sum(octet_length(data)), 0),
\if :hashed
    'hash', concat_ws(' ', sum(hash_record_extended(page, 7205759403792793601)), sum(hash_record_extended(page, -2305843009213693921)))
\else
    'hash', NULL
\endif
  )) FROM pg_largeobject AS page;
