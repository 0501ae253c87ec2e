-- Runs on the source: relations that the application's role, a superuser here, will not be able to read on the target, where its rights are what has been granted.
-- has_table_privilege knows no "if it were no superuser", so the grants are followed here. Severity and what, as verify's check_owner words it afterwards.
WITH RECURSIVE mine (oid) AS (
  SELECT oid FROM pg_roles WHERE rolname = :'owner'
  UNION
  SELECT g.oid FROM mine JOIN pg_roles m ON m.oid = mine.oid AND m.rolinherit JOIN pg_auth_members a ON a.member = m.oid JOIN pg_roles g ON g.oid = a.roleid
   WHERE NOT g.rolsuper AND g.rolname NOT IN ('pg_execute_server_program', 'pg_write_server_files', 'pg_read_server_files', 'postgres')
), relation AS (
  SELECT c.oid, c.relowner, c.relowner IN (SELECT oid FROM pg_roles WHERE rolname = :'owner') AS own
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'p', 'v', 'm') AND c.relpersistence <> 't' AND c.oid >= 16384 AND n.nspname NOT LIKE 'pg\_toast%'
     AND NOT EXISTS (SELECT FROM mine JOIN pg_roles USING (oid) WHERE rolname = 'pg_read_all_data')
     AND NOT (EXISTS (SELECT FROM aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) WHERE privilege_type = 'USAGE' AND (grantee = 0 OR grantee IN (SELECT oid FROM mine)))
          AND EXISTS (SELECT FROM aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) WHERE privilege_type = 'SELECT' AND (grantee = 0 OR grantee IN (SELECT oid FROM mine))))
)
SELECT 'warning', format('%s owns but may not read: %s (on the source it was a superuser)', :'owner', left(string_agg(oid::regclass::text, ', ' ORDER BY oid), 2000)), format('GRANT SELECT, UPDATE, INSERT, DELETE ON ... TO %I, if the application needs them.', :'owner')
  FROM relation WHERE own HAVING count(*) > 0
UNION ALL
SELECT 'warning', format('%s, no superuser any more, may not read these relations of other roles: %s', :'owner', left(string_agg(oid::regclass::text, ', ' ORDER BY oid), 2000)), format('GRANT SELECT ON ... TO %I, if the application needs them.', :'owner')
  FROM relation WHERE NOT own AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = relation.oid AND d.deptype = 'e')
HAVING count(*) > 0;
