-- Runs on the source, writes for the staging database: where every sequence stands.
SELECT format($query$SELECT format('SELECT setval(%%L, %%s, %%L);', %L, last_value, is_called) FROM %s$query$, seqrelid::regclass, seqrelid::regclass)
  FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid
 WHERE c.relpersistence <> 't' AND (EXISTS (SELECT FROM pg_extension WHERE seqrelid = ANY (extconfig))
   OR NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = seqrelid AND d.deptype = 'e'))
\gexec
