-- Runs on the source, writes for the target: a script with the rows of this share in it. A table of 128 pages or more is divided among all shares by ranges of pages, and
-- goes in its binary form where its types allow it, by the rule of migration/job/chunks.sql: what the migration may do, the ceiling may.
SELECT CASE WHEN divided AND plain
         THEN format('SELECT %L', format(E'\\copy %s (%s) FROM PROGRAM ''psql service=source -XAtq -v ON_ERROR_STOP=1 -v columns="%s" -v relation=%s -v first="(%s,0)" -v last="(%s,0)" -f /bench/ceiling-rows.sql'' (FORMAT binary)',
                target, columns, columns, relation, first, last))
         ELSE format('SELECT %L', format('COPY %s%s FROM STDIN;', target, ' (' || columns || ')')) END,
       CASE WHEN divided AND plain THEN NULL
         ELSE format('COPY (SELECT %s FROM ONLY %s%s) TO STDOUT', columns, relation, CASE WHEN divided THEN format(' WHERE ctid >= ''(%s,0)'' AND ctid < ''(%s,0)''', first, last) ELSE '' END) END,
       CASE WHEN divided AND plain THEN NULL ELSE format('SELECT %L', '\.') END
  FROM (
    SELECT c.oid::regclass AS relation, pages >= 128 AS divided, row_number() OVER (PARTITION BY pages >= 128 ORDER BY pages DESC, c.oid) AS number,
           pages * :share / :shares AS first, CASE WHEN :share = :shares - 1 THEN 4294967295 ELSE pages * (:share + 1) / :shares END AS last,
           (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '') AS columns,
           -- Names that a shell and psql take as they are.
           c.oid::regclass::text ~ '^[a-z0-9_.]+$' AND NOT EXISTS (
             SELECT FROM pg_attribute t JOIN pg_type y ON y.oid = t.atttypid
              WHERE t.attrelid = c.oid AND t.attnum > 0 AND NOT t.attisdropped
                AND NOT (t.attname ~ '^[a-z0-9_]+$' AND (y.typtype = 'e' OR CASE WHEN y.typcategory = 'A' THEN y.typelem ELSE y.oid END
                  = ANY ('{bool,bytea,int2,int4,int8,float4,float8,numeric,text,varchar,bpchar,date,time,timestamp,timestamptz,uuid,json,jsonb}'::regtype[])))) AS plain,
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
