COPY (
  SELECT i, 1 + h(i, 31) % :customers, passage(h(i, 32), 40), (ARRAY['Addis Ababa', 'አዲስ አበባ', 'Zürich', 'São Paulo', '東京'])[1 + h(i, 33) % 5],
    (ARRAY['ET', 'CH', 'BR', 'JP'])[1 + h(i, 34) % 4],
    CASE WHEN h(i, 35) % 3 = 0 THEN ROW(h(i, 36) % 90, h(i, 37) % 180)::naytife_schema.geo_point END
  FROM generate_series(:from::bigint, :to) AS i
) TO STDOUT
