-- What a logical copy does not carry, or carries changed: one warning a line.
SELECT format('tablespace %I is not carried; its %s relations go to the default one', t.spcname, count(*))
  FROM pg_class c JOIN pg_tablespace t ON t.oid = c.reltablespace WHERE t.spcname <> 'pg_global' GROUP BY t.spcname;
SELECT format('index %s is invalid (its build failed once) and is not carried', indexrelid::regclass)
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE NOT indisvalid AND c.relkind = 'i';
SELECT format('subscription %I is not carried', subname)
  FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE d.datname = :'database';
SELECT format('%s %I belongs to %I, a superuser of the source; only a superuser may own one, so it belongs to postgres on the target', kind, name, pg_get_userbyid(owner))
  FROM (SELECT 'event trigger' AS kind, evtname AS name, evtowner AS owner, 'pg_event_trigger'::regclass AS class, oid FROM pg_event_trigger
        UNION ALL SELECT 'foreign-data wrapper', fdwname, fdwowner, 'pg_foreign_data_wrapper'::regclass, oid FROM pg_foreign_data_wrapper) AS owned
 WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = class AND d.objid = owned.oid AND d.deptype = 'e');
SELECT format('row security is forced on %s: on the source its owner %I was a superuser and saw every row, on the target its policies apply to it', oid::regclass, pg_get_userbyid(relowner))
  FROM pg_class WHERE relforcerowsecurity AND EXISTS (SELECT FROM pg_roles r WHERE r.oid = relowner AND r.rolsuper);
SELECT format('%s functions run with the rights of their owner %I (SECURITY DEFINER), a superuser on the source and not on the target', count(*), pg_get_userbyid(proowner))
  FROM pg_proc p JOIN pg_roles r ON r.oid = proowner
 WHERE prosecdef AND rolsuper AND p.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
 GROUP BY proowner;
SELECT format('setting %s of all roles (ALTER ROLE ALL) is not carried: set it in the Cluster if the target needs it', split_part(entry, '=', 1))
  FROM pg_db_role_setting, unnest(setconfig) AS entry WHERE setrole = 0 AND setdatabase = 0;
