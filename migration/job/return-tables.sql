-- Runs on the source: for each table that differs, a line of JSON with what the way back needs to know of it. `rows` tells rows
-- apart by MD5, printed as hashes.sql prints them; the columns are named, so that neither a generated one nor another order of them does harm.
\set tables `cat "$WORK/return/tables"`
SELECT json_build_object('relation', name, 'rows', format('SELECT md5(%s)::uuid AS hash, tableoid AS part, ctid AS place FROM %s AS naytife_row %s',
    CASE WHEN :'convert' = 'yes' THEN $$convert_to((naytife_row.*)::text, 'UTF8')$$ ELSE '(naytife_row.*)::text' END, alone || name, filter),
  'alone', alone, 'columns', (SELECT string_agg(format('%I', attname), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped AND attgenerated = ''))
FROM (
  SELECT name, c.oid AS relation, CASE c.relkind WHEN 'r' THEN 'ONLY ' ELSE '' END AS alone, coalesce(x.filter, '') AS filter
    FROM json_array_elements_text(:'tables') AS name JOIN pg_class c ON c.oid = name::regclass
    LEFT JOIN (SELECT unnest(extconfig) AS oid, unnest(extcondition) AS filter FROM pg_extension) x ON x.oid = c.oid
) AS relations;
