-- Runs on the source, writes for the target: every role that is the source's own, with its password's verifier. No role gets SUPERUSER or REPLICATION.
SELECT format($statement$
DO $migration$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = %1$L) THEN
    CREATE ROLE %1$I;
    INSERT INTO naytife_migration.role (name, run) VALUES (%1$L, %2$L);
  END IF;
  IF EXISTS (SELECT FROM naytife_migration.role WHERE name = %1$L) THEN
    ALTER ROLE %1$I WITH %3$s NOSUPERUSER NOREPLICATION CONNECTION LIMIT %4$s VALID UNTIL %5$L PASSWORD %6$L;
    COMMENT ON ROLE %1$I IS %7$L;
  END IF;
END
$migration$;
$statement$,
  rolname, :'run',
  concat_ws(' ', CASE WHEN rolinherit THEN 'INHERIT' ELSE 'NOINHERIT' END, CASE WHEN rolcreaterole THEN 'CREATEROLE' ELSE 'NOCREATEROLE' END,
    CASE WHEN rolcreatedb THEN 'CREATEDB' ELSE 'NOCREATEDB' END, CASE WHEN rolcanlogin THEN 'LOGIN' ELSE 'NOLOGIN' END,
    CASE WHEN rolbypassrls THEN 'BYPASSRLS' ELSE 'NOBYPASSRLS' END),
  rolconnlimit, coalesce(rolvaliduntil::text, 'infinity'), rolpassword, shobj_description(oid, 'pg_authid'))
  FROM pg_authid
 WHERE rolname !~ '^(pg_|cnpg_)' AND rolname NOT IN ('postgres', 'streaming_replica', 'naytife_migration') AND rolname <> :'owner'
 ORDER BY rolname;
