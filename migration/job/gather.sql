-- The lines that the workers of one side wrote (standard input) become facts. A line of JSON comes as one field: neither quotes nor delimiters of CSV occur in
-- it. The pieces of a relation are added up here: 2^64 and a negative sum wrap around, so that all 64 bits of both count.
CREATE TEMP TABLE line (fact json);
\copy line FROM pstdin (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02')
INSERT INTO naytife_migration.fact (target_database, side, kind, name, value)
SELECT :'target', CASE WHEN fact ->> 'kind' LIKE 'amcheck %' THEN 'check' ELSE :'side' END, fact ->> 'kind', fact ->> 'name', (fact -> 'value')::jsonb FROM line WHERE fact -> 'sums' IS NULL
UNION ALL
SELECT :'target', :'side', kind, name, jsonb_build_object('rows', rows, 'hash', (
    SELECT string_agg(lpad(to_hex((CASE WHEN wrapped >= 9223372036854775808 THEN wrapped - 18446744073709551616 ELSE wrapped END)::bigint), 16, '0'), '' ORDER BY place)
      FROM (VALUES (1, first), (2, second)) AS sums (place, total), LATERAL (SELECT mod(mod(coalesce(total, 0), 18446744073709551616) + 18446744073709551616, 18446744073709551616) AS wrapped) AS positive))
  FROM (SELECT fact ->> 'kind' AS kind, fact ->> 'name' AS name, sum((fact ->> 'rows')::bigint) AS rows, sum((fact -> 'sums' ->> 0)::numeric) AS first, sum((fact -> 'sums' ->> 1)::numeric) AS second
          FROM line WHERE fact -> 'sums' IS NOT NULL GROUP BY 1, 2) AS relations;
