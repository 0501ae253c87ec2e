-- Owners, grants, defaults, and what belongs to the database as a whole.
\set ON_ERROR_STOP 1
SET search_path = naytife_schema, extensions;
SET client_min_messages = error;
ALTER SCHEMA hydra OWNER TO hydra_app;
ALTER TABLE hydra.hydra_jwk OWNER TO hydra_app;
ALTER TABLE hydra.networks OWNER TO hydra_app;
ALTER TABLE naytife_schema.rule_log OWNER TO "Odd ""Role"" o'neil-ü";
GRANT CREATE, USAGE ON SCHEMA naytife_schema TO shop_admins;
ALTER FUNCTION naytife_schema.net_price(numeric, numeric) OWNER TO shop_admins;
ALTER TYPE naytife_schema.dimensions OWNER TO shop_admins;
ALTER LARGE OBJECT 910001 OWNER TO naytife_app;
GRANT SELECT ON LARGE OBJECT 910001 TO shop_readers;
GRANT SELECT, UPDATE ON LARGE OBJECT 910003 TO shop_writers WITH GRANT OPTION;

REVOKE CONNECT, TEMPORARY ON DATABASE naytifedb FROM PUBLIC;
GRANT CONNECT ON DATABASE naytifedb TO hydra_app, naytife_app, shop_readers, seasonal_contractor, legacy_md5;
GRANT TEMPORARY ON DATABASE naytifedb TO naytife_app WITH GRANT OPTION;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA extensions TO PUBLIC;
GRANT USAGE ON SCHEMA naytife_schema TO shop_readers, tenant_guest;
GRANT USAGE ON SCHEMA hydra TO hydra_app WITH GRANT OPTION;
GRANT SELECT ON ALL TABLES IN SCHEMA naytife_schema TO shop_readers;
GRANT INSERT, UPDATE, DELETE ON orders, order_items, payments TO shop_writers;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA hydra TO hydra_app;
GRANT SELECT ON orders TO shop_admins WITH GRANT OPTION;
SET ROLE shop_admins;
GRANT SELECT ON naytife_schema.orders TO tenant_guest;
RESET ROLE;
GRANT SELECT (id, name), UPDATE (name) ON employees TO tenant_guest;
REVOKE SELECT ON employees FROM shop_readers;
GRANT SELECT ON shop_totals TO PUBLIC;
GRANT USAGE, SELECT ON SEQUENCE invoice_number TO shop_writers;
REVOKE EXECUTE ON FUNCTION order_count(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION order_count(integer) TO shop_writers;
REVOKE USAGE ON TYPE parcel FROM PUBLIC;
GRANT USAGE ON DOMAIN percentages TO shop_writers;
GRANT USAGE ON LANGUAGE plpgsql TO shop_admins;
-- The owner's own rights, taken away: an ACL that is there and empty.
REVOKE ALL ON nobody_sees FROM naytife;
REVOKE ALL ON nobody_sees FROM shop_readers;

ALTER DEFAULT PRIVILEGES FOR ROLE naytife IN SCHEMA naytife_schema GRANT SELECT ON TABLES TO shop_readers;
ALTER DEFAULT PRIVILEGES FOR ROLE naytife IN SCHEMA naytife_schema GRANT USAGE ON SEQUENCES TO shop_writers WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES FOR ROLE shop_admins REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE shop_admins GRANT USAGE ON TYPES TO shop_readers;
ALTER DEFAULT PRIVILEGES FOR ROLE hydra_app GRANT USAGE ON SCHEMAS TO naytife_app;

CREATE PUBLICATION shop_changes FOR TABLE watched (id, v) WHERE (id > 3), employees WITH (publish = 'insert, update');
CREATE PUBLICATION hydra_changes FOR TABLES IN SCHEMA hydra;
ALTER PUBLICATION hydra_changes OWNER TO platform_dba;
COMMENT ON PUBLICATION shop_changes IS 'Read by the warehouse, once';
CREATE SUBSCRIPTION from_nowhere CONNECTION 'host=nowhere.invalid dbname=nothing' PUBLICATION nothing WITH (connect = false, enabled = false, slot_name = NONE);
ALTER SUBSCRIPTION from_nowhere OWNER TO platform_dba;
CREATE SERVER nowhere TYPE 'archive' VERSION '9' FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'nowhere.invalid', port '5432', dbname 'archive', connect_timeout '2');
CREATE USER MAPPING FOR naytife SERVER nowhere OPTIONS (user 'archivist', password 'for-tests, it''s "quoted"');
CREATE USER MAPPING FOR PUBLIC SERVER nowhere OPTIONS (user 'guest', password_required 'false');
GRANT USAGE ON FOREIGN SERVER nowhere TO shop_admins;
CREATE FOREIGN TABLE archived_orders (id bigint OPTIONS (column_name 'order_id'), total numeric) SERVER nowhere OPTIONS (schema_name 'old', table_name 'orders');
COMMENT ON FOREIGN TABLE archived_orders IS 'Reading it fails: the server is no more';
CREATE FOREIGN DATA WRAPPER unused_wrapper OPTIONS (debug 'true');
ALTER FOREIGN DATA WRAPPER unused_wrapper OWNER TO platform_dba;

-- Last, lest they see the seed itself.
CREATE TABLE ddl_log (tag text, object text);
CREATE FUNCTION log_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO naytife_schema.ddl_log SELECT command_tag, object_identity FROM pg_event_trigger_ddl_commands();
END $$;
CREATE FUNCTION refuse_drop() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not today'; END $$;
CREATE EVENT TRIGGER record_ddl ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'ALTER TABLE') EXECUTE FUNCTION log_ddl();
CREATE EVENT TRIGGER refuse_drops ON sql_drop EXECUTE FUNCTION refuse_drop();
ALTER EVENT TRIGGER refuse_drops DISABLE;
ALTER EVENT TRIGGER record_ddl OWNER TO platform_dba;
ALTER EVENT TRIGGER refuse_drops OWNER TO platform_dba;
COMMENT ON EVENT TRIGGER record_ddl IS 'Owned by a superuser, as it must be';
