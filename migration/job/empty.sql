-- What in this database is neither PostgreSQL's, nor an extension's, nor an empty schema. One line each, the first ten.
SELECT what FROM (
  SELECT 1 AS place, format('relation %s', c.oid::regclass) AS what
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.oid >= 16384 AND n.nspname NOT LIKE 'pg\_toast%' AND n.nspname NOT LIKE 'pg\_temp%' AND c.relkind <> 'i' AND c.relkind <> 'I'
     AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('e', 'i'))
  UNION ALL
  SELECT 2, format('function %s', p.oid::regprocedure)
    FROM pg_proc p
   WHERE p.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype IN ('e', 'i'))
  UNION ALL
  SELECT 3, format('type %s', t.oid::regtype)
    FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
   WHERE t.oid >= 16384 AND t.typcategory <> 'A' AND (c.oid IS NULL OR c.relkind = 'c')
     AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype IN ('e', 'i'))
  UNION ALL
  SELECT 4, format('large object %s', oid) FROM pg_largeobject_metadata
  UNION ALL
  SELECT 5, format('event trigger %I', evtname) FROM pg_event_trigger e
   WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_event_trigger'::regclass AND d.objid = e.oid AND d.deptype = 'e')
  UNION ALL
  SELECT 6, format('publication %I', pubname) FROM pg_publication
  UNION ALL
  SELECT 7, format('foreign server %I', srvname) FROM pg_foreign_server
) AS found ORDER BY place, what LIMIT 10;
