COPY (
  SELECT hex(h(i, 90)) || hex(h(i, 91)) || hex(h(i, 92)) || hex(h(i, 93)), md5(i::text),
    'a5a5a5a5-0000-4000-8000-000000000001', '2026-01-01'::timestamp + (h(i, 94) % 10000000) * '1 second'::interval,
    'client-' || h(i, 95) % 40, 'openid offline shop.read', 'openid shop.read',
    'grant_type=authorization_code&redirect_uri=https%3A%2F%2Fshop.example.org%2Fcallback&state=' || hex(h(i, 96)),
    '{"id_token":{"id_token_claims":{"jti":"' || hex(h(i, 97)) || '","aud":["shop"]},"headers":{"extra":{}},"username":""},"extra":{"note":"' || passage(h(i, 98), 500) || '"}}',
    'customer-' || 1 + h(i, 99) % :customers, h(i, 95) % 7 > 0, '2026-02-01'::timestamp + (h(i, 94) % 10000000) * '1 second'::interval,
    NULL::timestamp, (h(i, 89) % 5)::int
  FROM generate_series(:from::bigint, :to) AS i
) TO STDOUT
