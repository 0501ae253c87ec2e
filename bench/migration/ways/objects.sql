-- What belongs to tables, counted, so that a copy without its indexes is not taken for one. The same lines as migration/job/hashes.sql writes.
SELECT json_build_object('kind', 'number of', 'name', what, 'rows', many, 'sums', '[]'::json)
  FROM (SELECT 'valid indexes' AS what, count(*) AS many
          FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE i.indisvalid AND c.oid >= 16384 AND n.nspname NOT LIKE 'pg\_toast%' AND n.nspname NOT LIKE 'naytife\_migration%'
        UNION ALL
        SELECT 'constraints', count(*) FROM pg_constraint WHERE oid >= 16384 AND contype <> 'n' AND connamespace::regnamespace::text NOT LIKE 'naytife\_migration%'
        UNION ALL
        SELECT 'triggers', count(*) FROM pg_trigger WHERE NOT tgisinternal) AS counted;
SELECT json_build_object('kind', 'sequence', 'name', format('%I.%I', schemaname, sequencename), 'rows', coalesce(last_value, 0), 'sums', '[]'::json) FROM pg_sequences;
