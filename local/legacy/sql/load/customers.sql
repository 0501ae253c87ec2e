COPY (
  SELECT i, 100 + (h(i, 21) % 50)::int, 'Customer.' || i || '@example.org',
    (ARRAY['Abebe Bikila', 'ደራርቱ ቱሉ', 'Zoë Müller', 'Łukasz Żak', 'أمينة', 'Ngũgĩ', 'İpek Işık', 'José Peña'])[1 + h(i, 22) % 8] || ' ' || hex(h(i, 23)),
    CASE WHEN h(i, 24) % 5 > 0 THEN '+2519' || lpad((h(i, 25) % 100000000)::text, 8, '0') END,
    '1940-01-01'::date + (h(i, 26) % 24000)::int,
    '10.0.0.0'::inet + h(i, 27) % 16777216,
    CASE WHEN i > 10 AND h(i, 28) % 4 = 0 THEN 1 + h(i, 29) % (i - 1) END,
    '2023-01-01 00:00:00+00'::timestamptz + (h(i, 30) % 31536000) * '1 second'::interval
  FROM generate_series(:from::bigint, :to) AS i
) TO STDOUT
