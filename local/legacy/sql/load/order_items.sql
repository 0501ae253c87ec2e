COPY (
  SELECT i, 1 + (i - 1) / 3, placed_at(1 + (i - 1) / 3), 1 + h(i, 61) % :variants, 1 + h(i, 62) % 9, (h(i, 63) % 100000) / 100.0
  FROM generate_series(:from::bigint, :to) AS i
) TO STDOUT
