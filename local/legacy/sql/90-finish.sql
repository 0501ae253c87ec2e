-- Sequences stand behind the rows that were loaded with numbers of their own; the generator goes; statistics are taken.
\set ON_ERROR_STOP 1
SELECT setval(pg_get_serial_sequence(t::text, 'id'), m) FROM (
  VALUES ('naytife_schema.products'::regclass, :products::bigint), ('naytife_schema.variants', :variants), ('naytife_schema.customers', :customers),
    ('naytife_schema.addresses', :addresses), ('naytife_schema.orders', :orders), ('naytife_schema.order_items', :order_items), ('naytife_schema.payments', :payments),
    ('naytife_schema.categories', 60)
) AS v (t, m) \g /dev/null
SET client_min_messages = warning;
DROP SCHEMA seed_generator CASCADE;
ANALYZE;
