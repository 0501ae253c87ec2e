-- Runs on the source: what comes along changed or not at all, and can be known beforehand. What, and what to do about it, a line each. A plan says it, and the
-- comparison says it again in the same words. They pass through the source's encoding, so they are ASCII.
-- `versions`: of the copy's extensions, or of those that the target would make. `kept`: roles whose passwords are the target's own. `scram`: whether it asks for that.
SELECT format('extensions have other versions in the copy: %s', string_agg(format('%s %s instead of %s', extname, value, extversion), ', ' ORDER BY extname))
  FROM pg_extension JOIN json_each_text(:'versions') ON key = extname::text WHERE value <> extversion AND extname <> 'pg_stat_statements' HAVING count(*) > 0;
SELECT format('passwords kept as MD5, which PostgreSQL 18 warns of%s: %s', CASE WHEN :'scram'::boolean THEN ', and with which nobody can log in to the target, which asks for SCRAM' ELSE '' END,
    replace(left(string_agg(quote_ident(rolname), ', ' ORDER BY rolname), 2000), E'\n', ' ')),
    'Set them anew, with password_encryption = ''scram-sha-256'': on the source before the migration, or on the target after it.'
  FROM pg_authid WHERE rolpassword LIKE 'md5%' AND rolname !~ '^(pg_|cnpg_)' AND rolname NOT IN (SELECT json_array_elements_text(:'kept')) HAVING count(*) > 0;
-- Which no dump carries; in the copy they must be on (facts.sql).
SELECT format('foreign keys are switched off on the source (DISABLE TRIGGER ALL) and enforced in the copy: %s', left(string_agg(DISTINCT format('%I on %s', conname, tgrelid::regclass), ', '), 2000)),
    'Rows that break them stop the restore: mend those on the source before the migration.'
  FROM pg_trigger t JOIN pg_constraint c ON c.oid = t.tgconstraint WHERE tgisinternal AND contype = 'f' AND tgenabled <> 'O' HAVING count(*) > 0;
-- GRANT SET ON PARAMETER, since 15. The server's, not the database's.
SELECT to_regclass('pg_catalog.pg_parameter_acl') IS NOT NULL AS has_parameter_rights \gset
\if :has_parameter_rights
SELECT format('rights on parameters of the server are not carried: %s',
    replace(left(string_agg(format('%s on %s to %s', privilege_type, parname, CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee) END), ', ' ORDER BY parname, grantee, privilege_type), 2000), E'\n', ' ')),
    'Grant them on the target, if it needs them.'
  FROM pg_parameter_acl, aclexplode(paracl) WHERE grantee <> 10 HAVING count(*) > 0;
\endif
