-- Takes back everything a seed makes, so that one that died half-way can start again. Runs in the database `postgres`,
-- and only after the seed's own record said that this server was being seeded and that it never finished.
\set ON_ERROR_STOP 1

SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'naytifedb') AS database_exists \gset
\if :database_exists
  ALTER DATABASE naytifedb WITH ALLOW_CONNECTIONS true;
  \connect naytifedb
  -- A database with a subscription in it cannot be dropped.
  SELECT format('ALTER SUBSCRIPTION %1$I DISABLE; ALTER SUBSCRIPTION %1$I SET (slot_name = NONE); DROP SUBSCRIPTION %1$I;', subname)
  FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()) \gexec
  \connect postgres
  DROP DATABASE naytifedb WITH (FORCE);
\endif
CREATE DATABASE naytifedb OWNER naytife;

DROP ROLE IF EXISTS hydra_app, naytife_app, reporting_readonly, shop_readers, shop_writers, shop_admins, legacy_md5,
  seasonal_contractor, platform_dba, "Odd ""Role"" o'neil-ü", tenant_guest;
