-- What is to be analyzed, in batches: a session each, the longest first. A partitioned table is analyzed with its partitions (autovacuum never looks at it, nor does vacuumdb);
-- what that takes goes by the pages that a sample reads, 300 for each of default_statistics_target.
WITH relation AS (
  SELECT c.oid, greatest(1, (SELECT sum(least(pg_relation_size(p) / current_setting('block_size')::int, 300 * current_setting('default_statistics_target')::int))
                               FROM (SELECT c.oid::regclass UNION SELECT relid FROM pg_partition_tree(c.oid)) AS part (p))) AS weight
    FROM pg_class c WHERE relkind IN ('r', 'm', 'p') AND NOT relispartition AND relpersistence <> 't' AND relnamespace::regnamespace::text NOT IN ('pg_toast', 'naytife_migration_copy', 'information_schema')
), placed AS (
  SELECT *, (row_number() OVER (ORDER BY weight DESC, oid) - 1) % :batches AS batch FROM relation
)
SELECT batch || ' ' || array_agg(oid)::text FROM placed GROUP BY batch ORDER BY max(weight) DESC, batch;
