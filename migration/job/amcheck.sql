-- PostgreSQL's own check of the copy's files, one line a relation: every btree index against its table, every table's tuples. Names and counts alone are told.
-- Makes the list, a JSON string for each relation; listed.sql runs it, behind amcheck-functions.sql.
SELECT to_json(format('SELECT json_build_object(''bytes'', %s, ''kind'', %L, ''name'', %L, ''value'', pg_temp.damage(%s, %L))', pg_relation_size(oid), CASE relkind WHEN 'i' THEN 'amcheck of an index' ELSE 'amcheck of a table' END, oid::regclass, oid, relkind))
FROM (
  SELECT c.oid, c.relkind, row_number() OVER (ORDER BY pg_relation_size(c.oid) DESC, c.oid) AS place
    FROM pg_class c JOIN pg_am a ON a.oid = c.relam LEFT JOIN pg_index i ON i.indexrelid = c.oid
   WHERE c.oid >= 16384 AND c.relpersistence <> 't' AND (c.relkind IN ('r', 'm', 't') AND a.amname = 'heap' OR c.relkind = 'i' AND a.amname = 'btree' AND i.indisvalid AND i.indisready)
) AS checked ORDER BY place;
