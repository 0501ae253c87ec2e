COPY (
  SELECT i, placed_at(i), 100 + (h(i, 51) % 50)::int, 1 + h(i, 52) % :customers,
    (ARRAY['draft', 'pending', 'paid', 'shipped', 'delivered', 'cancelled'])[1 + h(i, 53) % 6]::naytife_schema.order_status,
    (ARRAY['ETB', 'USD', 'EUR'])[1 + h(i, 54) % 3], (h(i, 55) % 1000000) / 100.0,
    jsonb_build_object('method', h(i, 56) % 4, 'to', passage(h(i, 57), 60)),
    CASE h(i, 58) % 4 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE passage(h(i, 59), 80) END
  FROM generate_series(:from::bigint, :to) AS i
) TO STDOUT
