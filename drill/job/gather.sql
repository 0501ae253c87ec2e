-- The lines that were read on one side (standard input) become facts. Neither quotes nor delimiters of CSV occur in a line of JSON. Pieces of a relation are added up.
CREATE TEMP TABLE line (fact json);
\copy line FROM pstdin (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02')
INSERT INTO fact (drill, side, kind, name, value)
SELECT :'drill', :'side', fact ->> 'kind', fact ->> 'name', (fact -> 'value')::jsonb FROM line WHERE fact -> 'sums' IS NULL
UNION ALL
SELECT :'drill', :'side', fact ->> 'kind', fact ->> 'name', jsonb_build_object(
    'rows', sum((fact ->> 'rows')::bigint),
    -- Without one where a part was only counted.
    'hash', CASE WHEN bool_and(fact -> 'sums' ->> 0 IS NOT NULL OR (fact ->> 'rows')::bigint = 0)
      THEN concat_ws(' ', sum((fact -> 'sums' ->> 0)::numeric), sum((fact -> 'sums' ->> 1)::numeric)) END)
  FROM line WHERE fact -> 'sums' IS NOT NULL GROUP BY fact ->> 'kind', fact ->> 'name';
