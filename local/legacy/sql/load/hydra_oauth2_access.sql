COPY (
  SELECT hex(h(i, 80)) || hex(h(i, 81)) || hex(h(i, 82)) || hex(h(i, 83)), md5(i::text),
    'a5a5a5a5-0000-4000-8000-000000000001', '2026-01-01'::timestamp + (h(i, 84) % 10000000) * '1 second'::interval,
    'client-' || h(i, 85) % 40, 'openid offline shop.read', 'openid shop.read',
    'grant_type=authorization_code&redirect_uri=https%3A%2F%2Fshop.example.org%2Fcallback&state=' || hex(h(i, 86)),
    '{"id_token":{"id_token_claims":{"jti":"' || hex(h(i, 87)) || '","aud":["shop"]},"headers":{"extra":{}},"username":""},"extra":{"note":"' || passage(h(i, 88), 500) || '"}}',
    'customer-' || 1 + h(i, 89) % :customers, h(i, 85) % 7 > 0, '2026-02-01'::timestamp + (h(i, 84) % 10000000) * '1 second'::interval
  FROM generate_series(:from::bigint, :to) AS i
) TO STDOUT
