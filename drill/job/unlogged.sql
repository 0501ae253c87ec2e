-- Runs on the primary: tables of which no backup holds a row. A restored copy has them empty.
SELECT json_build_object('kind', 'unlogged', 'name', oid::regclass, 'value', true) FROM pg_class WHERE relpersistence = 'u' AND relkind IN ('r', 'm');
