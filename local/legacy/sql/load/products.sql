COPY (
  SELECT i, 100 + (h(i, 1) % 50)::int, 1 + (h(i, 2) % 60)::int,
    (ARRAY['Yirgacheffe Coffee', 'ሐረር ቡና', 'Basket — handwoven', 'Straßenschuh', 'İstanbul kilim', '수제 도자기'])[1 + h(i, 3) % 6] || ' ' || i,
    passage(h(i, 4), 500),
    jsonb_build_object('rank', h(i, 5) % 1000, 'origin', passage(h(i, 6), 20), 'fair', h(i, 7) % 2 = 0, 'batch', jsonb_build_array(i, NULL, 'x')),
    CASE h(i, 8) % 4 WHEN 0 THEN '{}'::text[] WHEN 1 THEN ARRAY['new', NULL] ELSE ARRAY['sale', 'ቡና', passage(h(i, 9), 8)] END,
    '2023-01-01 00:00:00+00'::timestamptz + (h(i, 10) % 31536000) * '1 second'::interval
  FROM generate_series(:from::bigint, :to) AS i
) TO STDOUT
