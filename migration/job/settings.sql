-- Runs on the source, writes for the target. A list such as search_path is carried by set_config and FROM CURRENT, which needs no parsing of it; any other
-- value as it is written, since set_config would change some (application_name to ASCII).
SELECT format(CASE WHEN parameter IN ('search_path', 'local_preload_libraries', 'session_preload_libraries', 'temp_tablespaces')
    THEN 'DO $migration$ BEGIN PERFORM set_config(%1$L, %2$L, true); ALTER %3$s SET %1$I FROM CURRENT; END $migration$;'
    ELSE 'ALTER %3$s SET %1$I = %2$L;' END, parameter, value, subject) FROM (SELECT
  split_part(entry, '=', 1) AS parameter, substr(entry, strpos(entry, '=') + 1) AS value,
  CASE WHEN setrole = 0 THEN format('DATABASE %I', :'staging')
       WHEN setdatabase = 0 THEN format('ROLE %I', rolname)
       ELSE format('ROLE %I IN DATABASE %I', rolname, :'staging') END AS subject, setdatabase, setrole, place
  FROM pg_db_role_setting s LEFT JOIN pg_database d ON d.oid = setdatabase LEFT JOIN pg_roles r ON r.oid = setrole, unnest(setconfig) WITH ORDINALITY AS entries (entry, place)
 WHERE (setdatabase = 0 OR datname = current_database())
   AND (setrole = 0 OR rolname = :'owner' OR setdatabase <> 0 OR rolname NOT IN (SELECT json_array_elements_text(:'kept')))
   AND NOT (setrole = 0 AND setdatabase = 0)
   -- Our own freeze is no setting of the source, and the target must not come up read-only.
   AND NOT (setrole = 0 AND entry LIKE 'default\_transaction\_read\_only=%')
) AS settings ORDER BY setdatabase, setrole, place;
-- The database itself. Its owner is the target's: who owned it as a superuser owns it as the application's role.
SELECT format('ALTER DATABASE %I OWNER TO %I;', :'staging', :'owner');
SELECT format('ALTER DATABASE %I CONNECTION LIMIT %s;', :'staging', datconnlimit) FROM pg_database WHERE datname = current_database() AND datconnlimit <> -1;
SELECT format('COMMENT ON DATABASE %I IS %L;', :'staging', shobj_description(oid, 'pg_database')) FROM pg_database WHERE datname = current_database();
SELECT format('REVOKE ALL ON DATABASE %1$I FROM PUBLIC; REVOKE ALL ON DATABASE %1$I FROM %2$I;', :'staging', :'owner') FROM pg_database WHERE datname = current_database() AND datacl IS NOT NULL;
SELECT format('GRANT %s ON DATABASE %I TO %s%s;', privilege_type, :'staging',
    CASE WHEN grantee = 0 THEN 'PUBLIC' WHEN grantee = datdba THEN quote_ident(:'owner') ELSE quote_ident(pg_get_userbyid(grantee)) END,
    CASE WHEN is_grantable AND grantee <> datdba THEN ' WITH GRANT OPTION' ELSE '' END)
  FROM pg_database, aclexplode(datacl) WHERE datname = current_database() AND pg_get_userbyid(grantee) <> 'naytife_migration' ORDER BY grantee, privilege_type;
-- The operator's exporter and the restore drill come to the application's database by roles of their own, which are members of pg_monitor; the drill's is made later.
-- Where not everybody may connect they have to be let in: else all alerts are blind after the switch, and no drill can compare anything.
SELECT format('GRANT CONNECT ON DATABASE %I TO pg_monitor;', :'staging') FROM pg_database WHERE datname = current_database() AND datacl IS NOT NULL;
