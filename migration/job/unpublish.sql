-- Runs on the source: takes away whatever publish.sql and the slots left. In the freeze too, so it makes itself writable. A slot that is left keeps the server's WAL for ever.
SET default_transaction_read_only = off;
SET session_replication_role = replica;
SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name IN ('naytife_migration', 'naytife_migration_proof') AND active_pid IS NOT NULL;
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name IN ('naytife_migration', 'naytife_migration_proof');
DROP PUBLICATION IF EXISTS naytife_migration;
SELECT format('REVOKE ALL ON DATABASE %I FROM naytife_migration; DROP ROLE naytife_migration;', current_database()) FROM pg_roles WHERE rolname = 'naytife_migration' \gexec
