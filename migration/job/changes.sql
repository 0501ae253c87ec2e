-- Runs on the target: standard input holds messages of the source's stream of changes. Says how many.
CREATE TEMP TABLE message (number bigint GENERATED ALWAYS AS IDENTITY, data bytea NOT NULL);
\copy pg_temp.message (data) FROM pstdin
SELECT count(naytife_migration.record_changes(:'target')) \g /dev/null
SELECT count(*) FROM pg_temp.message;
