-- Runs on the source, writes for the target: a script with the rows of this share in it. A table of 128 pages or more is divided among all shares by ranges of pages.
SELECT format('SELECT %L', format('COPY %s%s FROM STDIN;', target, ' (' || columns || ')')),
       format('COPY (SELECT %s FROM ONLY %s%s) TO STDOUT', columns, relation, CASE WHEN divided THEN format(' WHERE ctid >= ''(%s,0)'' AND ctid < ''(%s,0)''',
         pages * :share / :shares, CASE WHEN :share = :shares - 1 THEN 4294967295 ELSE pages * (:share + 1) / :shares END) ELSE '' END),
       format('SELECT %L', '\.')
  FROM (
    SELECT c.oid::regclass AS relation, pages, pages >= 128 AS divided, row_number() OVER (PARTITION BY pages >= 128 ORDER BY pages DESC, c.oid) AS number,
           (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '') AS columns,
           -- An enum's hash follows its OIDs, so a hash partition's rows go in by their parent.
           coalesce((SELECT h.partrelid FROM pg_partition_ancestors(c.oid) WITH ORDINALITY AS ancestor (oid, place) JOIN pg_partitioned_table h ON h.partrelid = ancestor.oid AND h.partstrat = 'h'
                      ORDER BY place DESC LIMIT 1), c.oid)::regclass AS target
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, LATERAL (SELECT pg_relation_size(c.oid) / current_setting('block_size')::int AS pages) AS size
     WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND c.oid >= 16384 AND n.nspname NOT LIKE 'pg\_toast%'
       AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
  ) AS listed
 WHERE divided OR number % :shares = :share
 ORDER BY divided DESC, number
\gexec
