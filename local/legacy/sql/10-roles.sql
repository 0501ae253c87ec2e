-- Roles are the server's, not the database's: pg_dump carries none of them, nor their settings, nor their memberships.
\set ON_ERROR_STOP 1

-- Group roles; none of them logs in.
CREATE ROLE shop_readers NOLOGIN;
CREATE ROLE shop_writers NOLOGIN;
CREATE ROLE shop_admins NOLOGIN CREATEROLE;

-- The passwords below guard nothing: a throw-away database made for tests, reachable inside its cluster alone.
SET password_encryption = 'scram-sha-256';
CREATE ROLE hydra_app LOGIN PASSWORD 'hydra-app-for-tests' CONNECTION LIMIT 20;
CREATE ROLE naytife_app LOGIN PASSWORD 'naytife-app-for-tests';
CREATE ROLE reporting_readonly LOGIN PASSWORD 'reporting-for-tests' NOINHERIT;
CREATE ROLE seasonal_contractor LOGIN PASSWORD 'contractor-for-tests' CONNECTION LIMIT 2 VALID UNTIL '2027-01-31 23:59:59+00';
SET password_encryption = 'md5';
CREATE ROLE legacy_md5 LOGIN PASSWORD 'md5-for-tests';
RESET password_encryption;
CREATE ROLE "Odd ""Role"" o'neil-ü" NOLOGIN;
CREATE ROLE tenant_guest NOLOGIN NOINHERIT;
-- Owns what only a superuser may own: event triggers, a foreign-data wrapper, a publication of a whole schema.
CREATE ROLE platform_dba NOLOGIN SUPERUSER BYPASSRLS REPLICATION CREATEDB CREATEROLE;

GRANT shop_readers TO shop_writers;
GRANT shop_writers TO shop_admins WITH ADMIN OPTION;
GRANT shop_writers TO naytife_app;
GRANT shop_readers TO reporting_readonly WITH ADMIN OPTION;
GRANT shop_readers TO "Odd ""Role"" o'neil-ü";
GRANT pg_read_all_data TO reporting_readonly;
GRANT pg_monitor TO shop_admins;

ALTER ROLE hydra_app SET search_path = hydra, extensions, public;
ALTER ROLE reporting_readonly SET default_transaction_read_only = on;
ALTER ROLE reporting_readonly SET statement_timeout = '5min';
ALTER ROLE naytife IN DATABASE naytifedb SET search_path = naytife_schema, hydra, extensions, public;
ALTER ROLE naytife_app IN DATABASE naytifedb SET search_path = naytife_schema, extensions, public;
ALTER ROLE naytife_app IN DATABASE naytifedb SET lock_timeout = '7s';
ALTER ROLE "Odd ""Role"" o'neil-ü" SET application_name = 'odd ''name'' = "yes", ü';

ALTER DATABASE naytifedb SET timezone = 'Africa/Addis_Ababa';
ALTER DATABASE naytifedb SET "naytife.tenant" = 'legacy';
ALTER DATABASE naytifedb SET idle_in_transaction_session_timeout = '10min';
COMMENT ON DATABASE naytifedb IS 'The shop''s database — legacy, on an emptyDir';
COMMENT ON ROLE reporting_readonly IS 'Reads for dashboards; 5 min a statement';
COMMENT ON ROLE "Odd ""Role"" o'neil-ü" IS 'A role name that needs quoting, twice';
