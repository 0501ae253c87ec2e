-- Runs on the source for a plan: what stands around the data. A line each: severity, what, what to do about it.
SELECT 'warning', format('databases of the source other than %I stay behind: %s', :'database', string_agg(quote_ident(datname), ', ' ORDER BY datname)), 'Each needs a migration of its own, or is not needed any more.'
  FROM pg_database WHERE NOT datistemplate AND datname NOT IN (:'database', 'postgres') HAVING count(*) > 0;
SELECT 'warning', format('a transaction of %s (%s, user %s) has been open for %s; the freeze ends it', application, state, usename, age), 'Let it finish before the migration, or end it: SELECT pg_terminate_backend(' || pid || ').'
  FROM (SELECT coalesce(nullif(application_name, ''), 'an unnamed client') AS application, state, usename, pid, date_trunc('second', clock_timestamp() - xact_start) AS age
          FROM pg_stat_activity
         WHERE datname = :'database' AND application_name <> :'ours' AND backend_type = 'client backend' AND clock_timestamp() - xact_start > interval '1 minute'
         ORDER BY xact_start LIMIT 10) AS old;
SELECT 'warning', format('replication slot %s (%s%s) stays on the source: whoever reads it gets no change that comes after the cut-over', slot_name, slot_type, CASE WHEN active THEN ', in use' ELSE ', not in use' END), 'Point its reader at the target afterwards; drop the slot if nobody reads it.'
  FROM pg_replication_slots WHERE NOT temporary AND (database = :'database' OR slot_type = 'physical') ORDER BY slot_name;
SELECT 'info', format('standbys that stream from the source (%s) stay with it', count(*)) FROM pg_stat_replication HAVING count(*) > 0;
SELECT 'warning', format('the source has room for %s connections more, and the migration opens up to %s', free, :sessions), 'End clients of the source, lower migrationJobs, or do it when fewer are there.'
  FROM (SELECT current_setting('max_connections')::int - count(*) AS free FROM pg_stat_activity WHERE backend_type IN ('client backend', 'walsender')) AS room WHERE free < :sessions;
SELECT 'info', CASE current_setting('wal_level') WHEN 'logical' THEN 'wal_level is logical, so that with migrationMode online the application may write while the copy is made'
    ELSE format('wal_level is %s, so that migrationMode online is not possible: the source is read-only from the freeze to the cut-over', current_setting('wal_level')) END;
SELECT 'info', format('tables with neither a primary key nor a replica identity (%s), which are moved like any other and could not be followed by logical replication: %s%s', count(*), string_agg(name, ', ' ORDER BY name) FILTER (WHERE place <= 10), CASE WHEN count(*) > 10 THEN ', ...' ELSE '' END)
  FROM (SELECT c.oid::regclass::text AS name, row_number() OVER (ORDER BY c.oid::regclass::text) AS place FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p' AND c.oid >= 16384 AND n.nspname NOT LIKE 'pg\_toast%'
           AND (c.relreplident = 'n' OR c.relreplident IN ('d', 'i') AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND CASE c.relreplident WHEN 'd' THEN i.indisprimary ELSE i.indisreplident END))) AS keyless
HAVING count(*) > 0;
SELECT 'info', format('large objects (%s), %s: they are copied one after another', (SELECT count(*) FROM pg_largeobject_metadata), pg_size_pretty(pg_table_size('pg_largeobject')))
 WHERE EXISTS (SELECT FROM pg_largeobject_metadata);
SELECT 'info', format('unlogged tables (%s), whose rows are carried, and which a crash or a failover of the target empties: %s', count(*), left(string_agg(c.oid::regclass::text, ', ' ORDER BY c.oid::regclass::text), 500))
  FROM pg_class c WHERE relkind = 'r' AND relpersistence = 'u' HAVING count(*) > 0;
-- Names only: a value may be a secret.
SELECT 'info', format('set in the source''s configuration and not carried, being the server''s and not the database''s: %s', string_agg(name, ', ' ORDER BY name)), 'Set in the Cluster what the application needs (postgresqlParameters).'
  FROM pg_settings
 WHERE source IN ('configuration file', 'command line') AND setting IS DISTINCT FROM boot_val
   AND name NOT IN ('config_file', 'data_directory', 'hba_file', 'ident_file', 'external_pid_file', 'listen_addresses', 'port', 'unix_socket_directories', 'lc_messages', 'lc_monetary', 'lc_numeric', 'lc_time', 'log_timezone', 'TimeZone', 'DateStyle',
     'default_text_search_config', 'dynamic_shared_memory_type', 'max_wal_size', 'min_wal_size', 'shared_buffers', 'max_connections', 'cluster_name', 'log_destination', 'logging_collector', 'log_directory', 'log_filename', 'log_line_prefix')
HAVING count(*) > 0;
