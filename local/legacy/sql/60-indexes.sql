-- Indexes and foreign keys, after the load.
\set ON_ERROR_STOP 1
SET maintenance_work_mem = '128MB';
SET search_path = naytife_schema, extensions;
ALTER TABLE shops ADD PRIMARY KEY (id), ADD CONSTRAINT shops_subdomain_key UNIQUE (subdomain);
ALTER TABLE categories ADD PRIMARY KEY (id);
ALTER TABLE products ADD PRIMARY KEY (id);
ALTER TABLE variants ADD PRIMARY KEY (id);
ALTER TABLE customers ADD PRIMARY KEY (id);
ALTER TABLE addresses ADD PRIMARY KEY (id);
ALTER TABLE inventory ADD PRIMARY KEY (variant_id, warehouse) INCLUDE (quantity);
ALTER TABLE orders ADD PRIMARY KEY (id, placed_at);
ALTER TABLE order_items ADD PRIMARY KEY (id);
ALTER TABLE payments ADD PRIMARY KEY (id);

CREATE UNIQUE INDEX customers_email_key ON customers (shop_id, email);
CREATE INDEX customers_lower_name ON customers (lower(full_name) COLLATE "C" text_pattern_ops);
CREATE INDEX products_search ON products USING gin (search);
CREATE INDEX products_attributes ON products USING gin (attributes jsonb_path_ops) WITH (fastupdate = off);
CREATE INDEX products_tags ON products USING gin (tags);
CREATE INDEX products_title_trigrams ON products USING gist (title gist_trgm_ops);
CREATE INDEX categories_path ON categories USING gist (path);
CREATE INDEX variants_sku ON variants USING hash (sku);
CREATE INDEX variants_expensive ON variants (product_id, price DESC NULLS LAST) INCLUDE (sku) WHERE price > 900;
CREATE INDEX orders_customer ON orders (customer_id);
CREATE INDEX orders_unfinished ON orders (shop_id, placed_at) WHERE status IN ('pending', 'paid');
CREATE INDEX orders_placed_at_brin ON orders USING brin (placed_at) WITH (pages_per_range = 32);
CREATE INDEX order_items_order ON order_items (order_id);
CREATE INDEX payments_order ON payments (order_id);
CREATE INDEX payments_unpaid ON payments (provider) WHERE paid_at IS NULL;
COMMENT ON INDEX payments_unpaid IS 'For the reminder job';
ALTER INDEX orders_customer RENAME TO "orders by customer";
ALTER TABLE customers ALTER COLUMN full_name SET STATISTICS 500;
ALTER INDEX customers_lower_name ALTER COLUMN 1 SET STATISTICS 400;

-- The cycle: a shop features a product, a product belongs to a shop.
ALTER TABLE shops ADD CONSTRAINT shops_featured_product_fkey FOREIGN KEY (featured_product_id) REFERENCES products DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE products ADD CONSTRAINT products_shop_fkey FOREIGN KEY (shop_id) REFERENCES shops ON DELETE CASCADE;
ALTER TABLE products ADD FOREIGN KEY (category_id) REFERENCES categories ON DELETE SET NULL (category_id);
ALTER TABLE categories ADD FOREIGN KEY (parent_id) REFERENCES categories;
ALTER TABLE variants ADD FOREIGN KEY (product_id) REFERENCES products ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE customers ADD FOREIGN KEY (shop_id) REFERENCES shops;
ALTER TABLE customers ADD CONSTRAINT customers_referred_by_fkey FOREIGN KEY (referred_by) REFERENCES customers DEFERRABLE;
ALTER TABLE addresses ADD FOREIGN KEY (customer_id) REFERENCES customers ON DELETE CASCADE;
ALTER TABLE inventory ADD FOREIGN KEY (variant_id) REFERENCES variants;
ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers;
ALTER TABLE order_items ADD FOREIGN KEY (order_id, order_placed_at) REFERENCES orders;
ALTER TABLE order_items ADD FOREIGN KEY (variant_id) REFERENCES variants;
ALTER TABLE payments ADD CONSTRAINT payments_order_fkey FOREIGN KEY (order_id, order_placed_at) REFERENCES orders;
COMMENT ON CONSTRAINT payments_order_fkey ON payments IS 'A payment without an order is a bug';

SET search_path = hydra, extensions;
ALTER TABLE networks ADD PRIMARY KEY (id);
ALTER TABLE hydra_client ADD PRIMARY KEY (id, nid), ADD UNIQUE (pk), ADD FOREIGN KEY (nid) REFERENCES networks ON UPDATE RESTRICT ON DELETE CASCADE;
ALTER TABLE hydra_jwk ADD PRIMARY KEY (pk), ADD UNIQUE (sid, kid, nid);
ALTER TABLE hydra_oauth2_consent_request ADD PRIMARY KEY (challenge), ADD FOREIGN KEY (client_id, nid) REFERENCES hydra_client ON DELETE CASCADE;
ALTER TABLE hydra_oauth2_code ADD PRIMARY KEY (signature), ADD FOREIGN KEY (challenge_id) REFERENCES hydra_oauth2_consent_request ON DELETE CASCADE;
ALTER TABLE hydra_oauth2_access ADD PRIMARY KEY (signature), ADD FOREIGN KEY (client_id, nid) REFERENCES hydra_client ON DELETE CASCADE;
ALTER TABLE hydra_oauth2_refresh ADD PRIMARY KEY (signature), ADD FOREIGN KEY (client_id, nid) REFERENCES hydra_client ON DELETE CASCADE;
CREATE INDEX hydra_oauth2_access_requested_at ON hydra_oauth2_access (requested_at, nid);
CREATE INDEX hydra_oauth2_refresh_request_id ON hydra_oauth2_refresh (request_id);
