-- Runs on the source: what an online copy needs there. The role may read the stream of changes and nothing else; its password is not the migration's own, since
-- a subscription keeps it in clear in the target's catalogs, and so in its WAL.
\getenv verifier REPLICATION_VERIFIER
SET log_statement = none;
SET log_min_duration_statement = -1;
SET log_min_error_statement = panic;
-- It waits for a VACUUM or an index build of a table, while nobody waits for it.
SET lock_timeout = '60s';
-- No event trigger of the source's has a say in it, nor writes of it.
SET session_replication_role = replica;
-- It may be the database's own default.
SET default_transaction_read_only = off;
BEGIN;
CREATE ROLE naytife_migration LOGIN REPLICATION CONNECTION LIMIT 3 PASSWORD :'verifier';
SELECT format('ALTER ROLE naytife_migration VALID UNTIL %L;', clock_timestamp() + interval '48 hours') \gexec
SELECT format('GRANT CONNECT ON DATABASE %I TO naytife_migration;', current_database()) WHERE NOT has_database_privilege('naytife_migration', current_database(), 'CONNECT') \gexec
SELECT format('CREATE PUBLICATION naytife_migration%s WITH (publish_via_partition_root = true);', ' FOR TABLE ' || string_agg(CASE relkind WHEN 'r' THEN 'ONLY ' ELSE '' END || target, ', '))
  FROM (SELECT DISTINCT target FROM (:followed) AS f WHERE followed) AS published JOIN pg_class ON oid = target \gexec
COMMIT;
