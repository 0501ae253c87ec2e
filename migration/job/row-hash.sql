-- How rows are hashed, as a template for format(): kind, name, relation, which of its rows, bytes, and the cast to a parent's columns.
-- A row is hashed as it prints, so that NULL is not '', 1.0 is not 1.00 and -0 is not 0; `:hash` says how (verify.sh):
--   builtin  PostgreSQL's own 64-bit hash by two seeds: the hash of its partitioning, which is why it may not change between versions. Three times as fast.
--   md5  MD5 of the row in UTF-8, each half a sum: where the encodings differ, or that hash does (another byte order).
-- Relations are hashed smallest first until their bytes together pass `:hash_limit` (without one: all of them); the bigger ones are only counted.
-- OFFSET 0 keeps a row from being printed once for every use.
SELECT CASE :'hash'
    WHEN 'builtin' THEN $query$SELECT json_build_object('bytes', %5$s, 'kind', %1$L, 'name', %2$L, 'rows', count(*), 'sums', json_build_array(sum(pg_catalog.hashtextextended(t, 7205759403792793601))::text, sum(pg_catalog.hashtextextended(t, -2305843009213693921))::text)) FROM (SELECT (naytife_row.*)%6$s::text COLLATE "C" AS t FROM %3$s AS naytife_row %4$s OFFSET 0) AS hashed$query$
    WHEN 'md5' THEN $query$SELECT json_build_object('bytes', %5$s, 'kind', %1$L, 'name', %2$L, 'rows', count(*), 'sums', json_build_array(sum(('x' || substr(h, 1, 16))::bit(64)::bigint)::text, sum(('x' || substr(h, 17, 16))::bit(64)::bigint)::text)) FROM (SELECT md5(convert_to((naytife_row.*)%6$s::text, 'UTF8')) AS h FROM %3$s AS naytife_row %4$s OFFSET 0) AS hashed$query$
  END AS template \gset
SELECT $query$SELECT json_build_object('bytes', %5$s, 'kind', %1$L, 'name', %2$L, 'rows', count(*), 'sums', NULL) FROM %3$s AS naytife_row %4$s$query$ AS counting \gset
\if :{?hash_limit}
\else
  \set hash_limit 9223372036854775807
\endif
