-- Runs on the source: rights that the target's roles do not get, one a line.
SELECT format('%s of role %I', concat_ws(' and ', CASE WHEN rolsuper THEN 'SUPERUSER' END, CASE WHEN rolreplication THEN 'REPLICATION' END), rolname)
  FROM pg_roles WHERE (rolsuper OR rolreplication) AND rolname !~ '^pg_' AND (rolname = :'owner' OR rolname NOT IN (SELECT json_array_elements_text(:'kept')))
UNION ALL
SELECT format('membership of %I in %I', m.rolname, g.rolname)
  FROM pg_auth_members a JOIN pg_roles g ON g.oid = a.roleid JOIN pg_roles m ON m.oid = a.member
 WHERE m.rolname !~ '^pg_' AND (g.rolname IN ('pg_execute_server_program', 'pg_write_server_files', 'pg_read_server_files', 'postgres') OR g.rolsuper)
 ORDER BY 1;
