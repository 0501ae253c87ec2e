-- Runs on the staging database. The slot is not the subscription's to drop: unpublish.sql does.
SELECT EXISTS (SELECT FROM pg_subscription s JOIN pg_database d ON d.oid = subdbid WHERE datname = current_database() AND subname = 'naytife_migration') AS subscribed \gset
\if :subscribed
ALTER SUBSCRIPTION naytife_migration DISABLE;
ALTER SUBSCRIPTION naytife_migration SET (slot_name = NONE);
DROP SUBSCRIPTION naytife_migration;
\endif
DROP PUBLICATION IF EXISTS naytife_migration;
