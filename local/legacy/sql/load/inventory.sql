COPY (
  SELECT i, w, (h(i, 40 + w) % 500)::int, '2026-06-01 00:00:00+00'::timestamptz + (h(i, 45) % 1000000) * '1 second'::interval
  FROM generate_series(:from::bigint, :to) AS i, generate_series(1, 2) AS w
) TO STDOUT
