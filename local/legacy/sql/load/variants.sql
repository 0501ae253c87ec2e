COPY (
  SELECT i, 1 + (i - 1) / 3, 'SKU-' || lpad(i::text, 10, '0'), ((h(i, 11) % 100000) / 100.0)::numeric(14, 2), 0.15, (h(i, 12) % 9000)::real / 7,
    CASE WHEN h(i, 13) % 3 > 0 THEN jsonb_build_object('colour', passage(h(i, 14), 8), 'size', h(i, 15) % 60) END
  FROM generate_series(:from::bigint, :to) AS i
) TO STDOUT
