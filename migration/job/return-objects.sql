-- Runs on :side, writes for the source: large objects that differ go there, and come anew from the target with their pages, owners, rights and comments.
\set objects `cat "$WORK/return/objects"`
SELECT :'side' = 'source' AS source, :'objects' <> '[]' AS any \gset
\if :any
\if :source
SELECT format('SELECT lo_unlink(%s);', oid) FROM pg_largeobject_metadata WHERE oid IN (SELECT json_array_elements_text(:'objects')::oid);
\else
SELECT format('SELECT lo_create(%s);', oid) FROM pg_largeobject_metadata WHERE oid IN (SELECT json_array_elements_text(:'objects')::oid);
SELECT 'CREATE TEMP TABLE page (loid oid, pageno bigint, data bytea);';
SELECT $$\copy page FROM PROGRAM 'bash "$SCRIPTS/return-rows.sh" pages'$$;
SELECT 'SELECT lo_put(loid, pageno * 2048, data) FROM page; DROP TABLE page;';
SELECT format('ALTER LARGE OBJECT %s OWNER TO %I;', oid, pg_get_userbyid(lomowner)) FROM pg_largeobject_metadata WHERE oid IN (SELECT json_array_elements_text(:'objects')::oid);
SELECT format('COMMENT ON LARGE OBJECT %s IS %L;', oid, obj_description(oid, 'pg_largeobject')) FROM pg_largeobject_metadata WHERE oid IN (SELECT json_array_elements_text(:'objects')::oid);
SELECT format('REVOKE ALL ON LARGE OBJECT %s FROM %I;', oid, pg_get_userbyid(lomowner)) FROM pg_largeobject_metadata WHERE lomacl IS NOT NULL AND oid IN (SELECT json_array_elements_text(:'objects')::oid);
SELECT format('GRANT %s ON LARGE OBJECT %s TO %s%s;', privilege_type, oid, CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END, CASE WHEN is_grantable AND grantee <> lomowner THEN ' WITH GRANT OPTION' ELSE '' END)
  FROM pg_largeobject_metadata, aclexplode(lomacl) WHERE oid IN (SELECT json_array_elements_text(:'objects')::oid);
\endif
\endif
