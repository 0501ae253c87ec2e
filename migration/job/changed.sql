-- Runs on the target, writes for both sides: the comparison of the rows that changed up to :upto while they were copied, found by their keys; of a table that was
-- emptied, or that could not be followed, all rows. Runs as worker :worker of :workers. `apart`: each piece by a name of its own, and no whole table.
SELECT format($statement$SELECT format(:'template', 'changed rows', c.oid::regclass || %L, CASE relkind WHEN 'r' THEN 'ONLY ' ELSE '' END || c.oid::regclass, %s, 0, '') FROM pg_class c WHERE c.oid = to_regclass(%L) \gexec$statement$,
    CASE WHEN :'apart' THEN ' ' || part ELSE '' END,
    CASE WHEN keys IS NULL THEN 'coalesce((SELECT condition FROM (SELECT unnest(extconfig) AS oid, unnest(extcondition) AS condition FROM pg_extension) AS x WHERE x.oid = c.oid), '''')' ELSE format($join$
      format('JOIN pg_catalog.jsonb_array_elements(%%L) AS naytife_keys (naytife_key) ON %%s', %L, (
        SELECT string_agg(format('naytife_row.%%I OPERATOR(%%I.%%s) (naytife_key ->> %%L)::%%s', attname, nspname, oprname, attname, format_type(atttypid, atttypmod)), ' AND ' ORDER BY k.place)
          FROM pg_index i, unnest(i.indkey) WITH ORDINALITY AS k (attnum, place), unnest(i.indclass) WITH ORDINALITY AS o (class, place), pg_attribute a, pg_opclass oc, pg_amop ao, pg_operator op, pg_namespace n
         WHERE i.indrelid = c.oid AND CASE c.relreplident WHEN 'd' THEN i.indisprimary ELSE i.indisreplident END AND k.place = o.place AND k.place <= i.indnkeyatts
           AND a.attrelid = c.oid AND a.attnum = k.attnum AND oc.oid = o.class AND ao.amopfamily = oc.opcfamily AND ao.amoplefttype = oc.opcintype AND ao.amoprighttype = oc.opcintype AND ao.amopstrategy = 3
           AND op.oid = ao.amopopr AND n.oid = op.oprnamespace))$join$, keys) END,
    relation)
  FROM (SELECT *, row_number() OVER (ORDER BY relation, part) AS place FROM naytife_migration.changed_pieces(:'target', :upto) WHERE keys IS NOT NULL OR NOT :'apart') AS pieces
 WHERE place % :workers = :worker ORDER BY place;
