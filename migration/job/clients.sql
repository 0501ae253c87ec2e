-- Runs on the source's server: who is connected to the database now, as a JSON list. They are ended at the freeze.
SELECT coalesce(json_agg(c), '[]') FROM (
  SELECT coalesce(nullif(application_name, ''), '(no name)') AS application, usename AS "user", count(*) AS connections,
         count(*) FILTER (WHERE state <> 'idle') AS busy
    FROM pg_stat_activity WHERE datname = :'database' AND backend_type = 'client backend' AND application_name <> :'ours'
   GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT 50) AS c;
