-- Bytes that are read when contents are compared.
SELECT sum(pg_table_size(oid)) FROM pg_class WHERE oid >= 16384 AND relkind IN ('r', 'm') OR oid = 'pg_catalog.pg_largeobject'::regclass;
