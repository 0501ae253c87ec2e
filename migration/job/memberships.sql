-- Runs on the source, writes for the target. Memberships that lead out of the database into the server's files and programs stay behind.
SELECT format('GRANT %I TO %I%s;', g.rolname, m.rolname, CASE WHEN bool_or(a.admin_option) THEN ' WITH ADMIN OPTION' ELSE '' END)
  FROM pg_auth_members a JOIN pg_roles g ON g.oid = a.roleid JOIN pg_roles m ON m.oid = a.member
 WHERE m.rolname !~ '^pg_' AND (m.rolname = :'owner' OR m.rolname NOT IN (SELECT json_array_elements_text(:'kept')))
   AND g.rolname NOT IN ('pg_execute_server_program', 'pg_write_server_files', 'pg_read_server_files', 'postgres')
   AND NOT g.rolsuper
 GROUP BY g.rolname, m.rolname ORDER BY g.rolname, m.rolname;
