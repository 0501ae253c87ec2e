-- The tables that do not grow with the size asked for.
\set ON_ERROR_STOP 1
SET search_path = naytife_schema, seed_generator, extensions;
INSERT INTO shops (subdomain, name, settings, featured_product_id, created_at)
SELECT 'shop-' || i, (ARRAY['Gebeya', 'ገበያ', 'Łódź Market', 'متجر'])[1 + i % 4] || ' ' || i,
  hstore(ARRAY['theme', 'colour', 'empty', 'nothing'], ARRAY['plain', passage(h(i, 2), 6), '', NULL]), i, '2022-12-01 00:00:00+00'
FROM generate_series(1, 50) AS i;
INSERT INTO categories (id, parent_id, path, name)
SELECT i, CASE WHEN i > 6 THEN 1 + i % 6 END, (CASE WHEN i > 6 THEN 'c' || 1 + i % 6 || '.' ELSE '' END || 'c' || i)::ltree, 'Category ' || i
FROM generate_series(1, 60) AS i;

SET search_path = hydra, seed_generator, extensions;
INSERT INTO networks VALUES ('a5a5a5a5-0000-4000-8000-000000000001', '2023-01-01', '2023-01-01');
INSERT INTO hydra_client
SELECT 'client-' || i, 'a5a5a5a5-0000-4000-8000-000000000001', md5('client' || i)::uuid, 'Client ' || i, '$pbkdf2-sha256$' || hex(h(i, 1)),
  jsonb_build_array('https://shop-' || i || '.example.org/callback'), 'authorization_code,refresh_token', 'openid offline shop.read', '{}', i % 5 = 0, '', '2023-01-02'
FROM generate_series(0, 39) AS i;
INSERT INTO hydra_jwk
SELECT md5('jwk' || i)::uuid, 'a5a5a5a5-0000-4000-8000-000000000001', 'hydra.openid.id-token', 'key-' || i, 0, hex(h(i, 3)), '2023-01-02' FROM generate_series(1, 4) AS i;
INSERT INTO hydra_oauth2_consent_request
SELECT md5('consent' || i), 'a5a5a5a5-0000-4000-8000-000000000001', 'openid', 'customer-' || i, 'client-' || i % 40, jsonb_build_object('acr_values', NULL), '2026-03-01'
FROM generate_series(1, 500) AS i;
INSERT INTO hydra_oauth2_code
SELECT hex(h(i, 4)) || hex(h(i, 5)), md5('code' || i), 'a5a5a5a5-0000-4000-8000-000000000001', '2026-03-01', 'client-' || i % 40, 'openid', 'openid', '', '{}',
  'customer-' || i, false, '2026-03-02', md5('consent' || i)
FROM generate_series(1, 500) AS i;
