-- Runs on the source: wal_level, free replication slots and WAL senders, and what there is by the names that an online run gives.
SELECT current_setting('wal_level'),
       current_setting('max_replication_slots')::int - (SELECT count(*) FROM pg_replication_slots),
       current_setting('max_wal_senders')::int - (SELECT count(*) FROM pg_stat_replication),
       (SELECT string_agg(what, ', ') FROM (
          SELECT 'replication slot ' || slot_name AS what FROM pg_replication_slots WHERE slot_name IN ('naytife_migration', 'naytife_migration_proof')
          UNION ALL SELECT 'publication ' || pubname FROM pg_publication WHERE pubname = 'naytife_migration'
          UNION ALL SELECT 'role ' || rolname FROM pg_roles WHERE rolname = 'naytife_migration') AS found);
