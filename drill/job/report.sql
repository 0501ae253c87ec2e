-- Runs on the primary: the drill has ended, and its report as one line of JSON. :passed, :reason ("" if it passed).
--
-- The largest database for which the promised time holds, by what was measured: the time that fetching and replaying leave of it, at the rate at which the base
-- backup came back. As much WAL as this time is taken for granted, and so is this storage.
WITH measured AS (
  SELECT jsonb_object_agg(name, value) AS m FROM fact WHERE drill = :'drill' AND side = 'drill' AND kind = 'measured'
), numbers AS (
  SELECT m, (m ->> 'rtoSeconds')::numeric AS rto, (m ->> 'rpoSeconds')::numeric AS rpo, (m #>> '{restore,fetchSeconds}')::numeric AS fetched, (m #>> '{restore,replaySeconds}')::numeric AS replay,
         (m ->> 'databaseBytes')::numeric AS bytes, :'recovery_time'::numeric AS recovery_time, :'recovery_point'::numeric AS recovery_point FROM measured
), reckoned AS (
  SELECT *, rto - fetched - replay AS fixed, floor(greatest(recovery_time - (rto - fetched), 0) * bytes / nullif(fetched, 0)) AS largest FROM numbers
), ended AS (
  UPDATE drill SET finished = clock_timestamp(), passed = :'passed'::boolean, reason = nullif(:'reason', ''), rto_seconds = rto, rpo_seconds = rpo, largest_database_bytes = largest
    FROM reckoned WHERE id = :'drill' RETURNING drill.*, reckoned.*
), tables AS (
  SELECT name, value, EXISTS (SELECT FROM fact u WHERE u.drill = :'drill' AND u.kind = 'unlogged' AND u.name = f.name) AS unlogged
    FROM fact f WHERE drill = :'drill' AND side = 'primary' AND kind IN ('table', 'refreshed rows')
)
SELECT jsonb_build_object(
    'drill', id, 'cluster', :'cluster', 'database', :'database', 'started', started, 'finished', finished, 'passed', passed, 'reason', reason,
    'recoveryTime', jsonb_build_object('seconds', rto, 'promised', recovery_time, 'held', rto <= recovery_time),
    'recoveryPoint', jsonb_build_object('seconds', rpo, 'promised', recovery_point, 'held', rpo <= recovery_point, 'archiveTimeout', m -> 'archiveTimeout'),
    'restore', m -> 'restore' || jsonb_build_object('databaseBytes', m -> 'databaseBytes', 'fixedSeconds', round(fixed, 3), 'bytesPerSecond', round(bytes / nullif(fetched, 0)), 'largestDatabaseBytes', largest),
    'backup', m -> 'backup',
    'target', m -> 'target',
    'compared', CASE WHEN EXISTS (SELECT FROM fact WHERE drill = :'drill' AND side = 'restored') THEN (SELECT jsonb_build_object(
        'tables', count(*) FILTER (WHERE NOT unlogged), 'rows', coalesce(sum((value ->> 'rows')::bigint) FILTER (WHERE NOT unlogged), 0),
        'countedOnly', coalesce(jsonb_agg(name ORDER BY name) FILTER (WHERE NOT unlogged AND value ->> 'hash' IS NULL), '[]'),
        'unlogged', coalesce(jsonb_agg(name ORDER BY name) FILTER (WHERE unlogged), '[]')) FROM tables) || (SELECT jsonb_build_object(
        'sequences', count(*) FILTER (WHERE kind = 'sequence'),
        'largeObjects', (jsonb_agg(value) FILTER (WHERE kind = 'large objects') -> 0) - 'hash' || jsonb_build_object('countedOnly', coalesce(bool_or(value ->> 'hash' IS NULL) FILTER (WHERE kind = 'large objects'), false)))
                                                                                              FROM fact WHERE drill = :'drill' AND side = 'restored') END,
    'amcheck', (SELECT jsonb_build_object('tables', count(*) FILTER (WHERE kind = 'amcheck of a table'), 'indexes', count(*) FILTER (WHERE kind = 'amcheck of an index'), 'damaged', count(*) FILTER (WHERE value <> 'null'))
                  FROM fact WHERE drill = :'drill' AND kind LIKE 'amcheck %'),
    'phases', (SELECT coalesce(jsonb_agg(value ORDER BY name), '[]') FROM fact WHERE drill = :'drill' AND side = 'drill' AND kind = 'phase'),
    'server', current_setting('server_version'))
  FROM ended;
