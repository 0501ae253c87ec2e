COPY (
  SELECT i, i, placed_at(i), (h(i, 55) % 1000000) / 100.0, (ARRAY['telebirr', 'chapa', 'stripe'])[1 + h(i, 71) % 3],
    hex(h(i, 72)) || hex(h(i, 73)), json_build_object('id', hex(h(i, 74)), 'message', passage(h(i, 75), 200)),
    CASE WHEN h(i, 76) % 10 > 0 THEN placed_at(i) + (h(i, 77) % 100000) * '1 second'::interval END
  FROM generate_series(:from::bigint, :to) AS i
) TO STDOUT
