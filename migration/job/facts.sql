-- Everything else that must be the same on both sides, one JSON object a line: what a schema dump leaves out, and the states that it does not show.
-- Both schema dumps are compared byte for byte, which covers, and is not doubled here: tables, columns with their defaults, storage, compression and statistics
-- targets, owners, comments and rights of all that lies in the database, default privileges, policies, rules with their state, statistics objects, replica
-- identity, publications' tables, filters and columns, storage parameters, functions, types, casts, text search, user mappings.
-- test/e2e/migration-damage.test.ts damages one of each kind. What is here and in the dump as well is here so that it is named in plain words.
-- `kept`: roles whose rights are the target's own business. state.sql says which kinds are a warning alone.

SELECT format($query$SELECT json_build_object('kind', 'sequence', 'name', %L, 'value', json_build_object('last_value', last_value, 'is_called', is_called, 'type', %L, 'start', %s, 'increment', %s, 'min', %s, 'max', %s, 'cache', %s, 'cycle', %L)) FROM %s$query$,
  seqrelid::regclass, seqtypid::regtype, seqstart, seqincrement, seqmin, seqmax, seqcache, seqcycle, seqrelid::regclass)
  FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid WHERE c.relpersistence <> 't' ORDER BY seqrelid
\gexec

-- Large objects page by page, holes filled with zeros: a copy has none. Not through lo_get, which wants a writer's lock.
SELECT json_build_object('kind', 'large object', 'name', m.oid::text, 'value', json_build_object('bytes', size, 'owner', pg_get_userbyid(lomowner), 'comment', obj_description(m.oid, 'pg_largeobject'),
  'acl', (SELECT json_agg(a::text ORDER BY a::text) FROM unnest(lomacl) a),
  'hash', (SELECT md5(string_agg(md5(CASE WHEN page = last THEN data ELSE coalesce(data, '') || decode(repeat('00', 2048 - coalesce(length(data), 0)), 'hex') END), '' ORDER BY page))
             FROM generate_series(0, last) AS page LEFT JOIN pg_largeobject l ON l.loid = m.oid AND l.pageno = page)))
  FROM pg_largeobject_metadata m, LATERAL (SELECT coalesce(max(pageno), -1) AS last, coalesce(max(pageno::bigint * 2048 + length(data)), 0) AS size FROM pg_largeobject l WHERE l.loid = m.oid) AS sized
 ORDER BY m.oid;

SELECT json_build_object('kind', 'role', 'name', rolname, 'value', json_build_object('inherit', rolinherit, 'createrole', rolcreaterole, 'createdb', rolcreatedb, 'login', rolcanlogin,
  'bypassrls', rolbypassrls, 'limit', rolconnlimit, 'until', coalesce(rolvaliduntil, 'infinity'), 'comment', shobj_description(oid, 'pg_authid'),
  'kind of password', CASE WHEN rolpassword IS NULL THEN 'none' WHEN rolpassword LIKE 'SCRAM-SHA-256$%' THEN 'scram' WHEN rolpassword LIKE 'md5%' THEN 'md5' ELSE 'other' END,
  'password', md5(:'run' || coalesce(rolpassword, ''))))
  FROM pg_authid WHERE rolname NOT IN (SELECT json_array_elements_text(:'kept')) AND rolname NOT IN ('postgres', 'streaming_replica') AND rolname !~ '^(pg_|cnpg_)';

SELECT json_build_object('kind', 'membership', 'name', format('%I in %I', m.rolname, g.rolname), 'value', json_build_object('admin', bool_or(admin_option),
    -- Options of the membership itself since 16; before, the member's own.
    'inherit', bool_or(coalesce((to_jsonb(a) ->> 'inherit_option')::boolean, m.rolinherit)), 'set', bool_or(coalesce((to_jsonb(a) ->> 'set_option')::boolean, true))))
  FROM pg_auth_members a JOIN pg_roles g ON g.oid = a.roleid JOIN pg_roles m ON m.oid = a.member
 WHERE (m.rolname = :'owner' OR m.rolname NOT IN (SELECT json_array_elements_text(:'kept'))) AND m.rolname !~ '^pg_' AND g.rolname NOT IN ('pg_execute_server_program', 'pg_write_server_files', 'pg_read_server_files', 'postgres')
   AND NOT EXISTS (SELECT FROM json_array_elements_text(:'superusers') s WHERE s = g.rolname)
 GROUP BY m.rolname, g.rolname;

SELECT json_build_object('kind', 'setting', 'name', format('%s of %s', split_part(entry, '=', 1),
    concat_ws(' in ', CASE WHEN setrole <> 0 THEN format('role %I', pg_get_userbyid(setrole)) END, CASE WHEN setdatabase <> 0 THEN 'the database' END)),
  'value', substr(entry, strpos(entry, '=') + 1))
  FROM pg_db_role_setting s LEFT JOIN pg_database d ON d.oid = setdatabase, unnest(setconfig) entry
 WHERE (setdatabase = 0 OR datname = current_database()) AND NOT (setrole = 0 AND setdatabase = 0)
   AND (setrole = 0 OR setdatabase <> 0 OR pg_get_userbyid(setrole) = :'owner' OR pg_get_userbyid(setrole) NOT IN (SELECT json_array_elements_text(:'kept')))
   AND NOT (setrole = 0 AND entry LIKE 'default\_transaction\_read\_only=%');

SELECT json_build_object('kind', 'database', 'name', 'rights and comment', 'value', json_build_object('comment', shobj_description(oid, 'pg_database'), 'limit', datconnlimit,
  'acl', (SELECT json_agg(line ORDER BY line) FROM (SELECT DISTINCT format('%s to %s', privilege_type, CASE WHEN grantee = 0 THEN 'PUBLIC' WHEN grantee = datdba OR pg_get_userbyid(grantee) = :'owner' THEN 'the owner' ELSE pg_get_userbyid(grantee) END) AS line
    FROM aclexplode(coalesce(datacl, acldefault('d', datdba))) WHERE pg_get_userbyid(grantee) <> 'naytife_migration' AND (pg_get_userbyid(grantee), privilege_type) <> ('pg_monitor', 'CONNECT')) AS grants)))
  FROM pg_database WHERE datname = current_database();

SELECT json_build_object('kind', 'extension', 'name', extname, 'value', json_build_object('schema', extnamespace::regnamespace)) FROM pg_extension WHERE extname <> 'pg_stat_statements';
-- They differ between majors, and should.
SELECT json_build_object('kind', 'extension version', 'name', extname, 'value', extversion) FROM pg_extension WHERE extname <> 'pg_stat_statements';

SELECT json_build_object('kind', 'materialized view', 'name', oid::regclass, 'value', json_build_object('populated', relispopulated)) FROM pg_class WHERE relkind = 'm';

SELECT json_build_object('kind', 'constraint', 'name', format('%I on %s', conname, CASE WHEN conrelid <> 0 THEN conrelid::regclass::text ELSE contypid::regtype::text END),
  'value', json_build_object('type', contype, 'validated', convalidated, 'deferrable', condeferrable, 'deferred', condeferred))
  FROM pg_constraint c WHERE contype <> 'n' AND connamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.deptype = 'e' AND d.objid IN (c.conrelid, c.contypid));

SELECT json_build_object('kind', 'index', 'name', indexrelid::regclass, 'value', json_build_object('valid', indisvalid AND indisready AND indislive, 'unique', indisunique, 'clustered', indisclustered, 'replica identity', indisreplident))
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE i.indexrelid >= 16384 AND n.nspname NOT LIKE 'pg\_toast%' AND NOT (:'side' = 'source' AND c.relkind = 'i' AND NOT indisvalid);

SELECT json_build_object('kind', 'trigger', 'name', format('%I on %s', tgname, tgrelid::regclass), 'value', json_build_object('enabled', tgenabled))
  FROM pg_trigger WHERE NOT tgisinternal;
-- ALTER TABLE … DISABLE TRIGGER ALL switches foreign keys off as well, which no dump carries: foreseen.sql warns of it, and in the copy they must be on.
SELECT json_build_object('kind', 'foreign key', 'name', format('%I on %s', conname, tgrelid::regclass), 'value', json_build_object('enforced', :'side' = 'source' OR bool_and(tgenabled = 'O')))
  FROM pg_trigger t JOIN pg_constraint c ON c.oid = t.tgconstraint WHERE tgisinternal AND contype = 'f' GROUP BY conname, tgrelid;
-- What only a superuser may own is postgres' on the target.
SELECT json_build_object('kind', 'event trigger', 'name', evtname, 'value', json_build_object('enabled', evtenabled, 'event', evtevent, 'owner', CASE :'side' WHEN 'source' THEN 'postgres' ELSE pg_get_userbyid(evtowner) END))
  FROM pg_event_trigger e WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_event_trigger'::regclass AND d.objid = e.oid AND d.deptype = 'e');
SELECT json_build_object('kind', 'foreign-data wrapper', 'name', fdwname, 'value', json_build_object('owner', CASE :'side' WHEN 'source' THEN 'postgres' ELSE pg_get_userbyid(fdwowner) END))
  FROM pg_foreign_data_wrapper f WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_foreign_data_wrapper'::regclass AND d.objid = f.oid AND d.deptype = 'e');
SELECT json_build_object('kind', 'row security', 'name', oid::regclass, 'value', json_build_object('on', relrowsecurity, 'forced', relforcerowsecurity))
  FROM pg_class WHERE relrowsecurity OR relforcerowsecurity;
-- A policy's line of the dump is not shown where it mentions a secret.
SELECT json_build_object('kind', 'policy', 'name', format('%I on %s', polname, polrelid::regclass), 'value', json_build_object('command', polcmd, 'permissive', polpermissive)) FROM pg_policy;
SELECT json_build_object('kind', 'relation owner', 'name', c.oid::regclass, 'value', to_json(pg_get_userbyid(relowner)))
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid >= 16384 AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND relpersistence <> 't' AND n.nspname NOT LIKE 'pg\_toast%'
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e');
SELECT json_build_object('kind', 'publication', 'name', pubname, 'value', json_build_object('all', puballtables, 'insert', pubinsert, 'update', pubupdate, 'delete', pubdelete, 'truncate', pubtruncate, 'root', pubviaroot)) FROM pg_publication;
SELECT json_build_object('kind', 'publication owner', 'name', pubname, 'value', pg_get_userbyid(pubowner)) FROM pg_publication;
