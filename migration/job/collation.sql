-- Runs on the source, writes the probe that both sides then run: how text sorts, folds its case and is taken apart there. Images differ: musl sorts by bytes
-- whatever the locale's name says, glibc changes its order from release to release. Probed are a fixed set of strings, by every collation that the
-- database uses, and the key of every btree index on text, by 200 values of its column: which of them come first, and, where it is unique, which of them and of the strings it takes for the same. What comes back are hashes and counts, no text.
-- A statement that fails, as an index's own function may on odd strings, proves nothing and is left out on that side.
-- Apart, and not by CASE: a server refuses the whole statement for one character that its encoding lacks.
SELECT current_setting('server_encoding') = 'UTF8' AS unicode \gset
\if :unicode
SELECT ARRAY['a', 'A', 'b', 'B', 'z', 'Z', 'aa', 'ab', 'a b', 'a-b', 'a_b', 'a.b', 'aB', 'co-op', 'coop', 'CO-OP', '9', '10', 'item9', 'item10', '', ' ', '-', '_', '~', '''', '"', 'é', 'É', 'e', 'f', 'ä', 'Ä', 'ö', 'ø', 'o', 'å', 'ñ', 'Ñ', 'n',
             'ß', 'ẞ', 'ss', 'SS', 'ı', 'I', 'İ', 'i', 'œ', 'æ', 'Σ', 'σ', 'ς', 'Ж', 'ж', 'а', 'א', 'ع', 'ሰ', '가', '日本', U&'e\0301', 'ﬁ', 'fi', '²', '2', '①', '٣', 'ǅ', 'ǆ', U&'\00A0', U&'\2003', '🧿', 'résumé', 'resume', 'Résumé'] AS strings, 'É' AS letter \gset
\else
SELECT ARRAY['a', 'A', 'b', 'B', 'z', 'Z', 'aa', 'ab', 'a b', 'a-b', 'a_b', 'a.b', 'aB', 'co-op', 'coop', 'CO-OP', '9', '10', 'item9', 'item10', '', ' ', '-', '_', '~', '''', '"'] AS strings, 'E' AS letter \gset
\endif

-- The collations that columns and index keys have, and the database's own.
SELECT format(statement, name, collation_clause, :'strings', :'letter') || ';'
  FROM (SELECT DISTINCT CASE attcollation WHEN 100 THEN 'the database''s collation' ELSE 'collation ' || attcollation::regcollation END AS name, CASE attcollation WHEN 100 THEN '' ELSE 'COLLATE ' || attcollation::regcollation END AS collation_clause, collisdeterministic
          FROM (SELECT 100 AS attcollation UNION SELECT attcollation FROM pg_attribute WHERE attrelid >= 16384 AND attcollation <> 0 AND NOT attisdropped) AS used
          JOIN pg_collation c ON c.oid = attcollation WHERE collcollate IS DISTINCT FROM 'C' AND collcollate IS DISTINCT FROM 'POSIX' OR attcollation = 100) AS collations,
       (VALUES
         (false, $$SELECT json_build_object('bytes', 0, 'kind', 'text order', 'name', %1$L, 'value', md5(string_agg(md5(s), '' ORDER BY s %2$s, s COLLATE "C"))) FROM unnest(%3$L::text[]) AS s$$),
         (false, $$SELECT json_build_object('bytes', 0, 'kind', 'letter case', 'name', %1$L, 'value', md5(string_agg(concat_ws('/', lower(s %2$s), upper(s %2$s), initcap(s %2$s)), ',' ORDER BY s COLLATE "C"))) FROM unnest(%3$L::text[]) AS s$$),
         (true, $$SELECT json_build_object('bytes', 0, 'kind', 'character class', 'name', %1$L, 'value', md5(string_agg(concat_ws('/', s %2$s ~ '^\w+$', s %2$s ~ '[[:alpha:]]', s %2$s ~ '[[:upper:]]', s %2$s ~ '[[:digit:]]', s %2$s ~ '[[:space:]]', s %2$s ~ '[[:punct:]]', s %2$s ~* %4$L, s %2$s ILIKE '_' || %4$L || '%%', s %2$s LIKE 'a_b'), ',' ORDER BY s COLLATE "C"))) FROM unnest(%3$L::text[]) AS s$$)
       ) AS probes (deterministic_only, statement)
 WHERE collisdeterministic OR NOT deterministic_only
UNION ALL
SELECT format($$SELECT json_build_object('bytes', 0, 'kind', 'text search', 'name', 'pg_catalog.simple', 'value', md5(string_agg(to_tsvector('pg_catalog.simple', s)::text, ',' ORDER BY s COLLATE "C"))) FROM unnest(%L::text[]) AS s;$$, :'strings');

-- The keys of btree indexes: a column of text, or an expression of one such column that gives text. Their own operator classes for patterns go by bytes.
-- Two rounds: this query writes, for each key, the query that writes its probe, since only that one can read the sample.
SELECT format($outer$SELECT format(%1$L, sample, sample || %5$L::text[]) FROM (SELECT array_agg(v) AS sample FROM (SELECT DISTINCT left(%2$I::text, 200) AS v FROM (SELECT %2$I FROM ONLY %3$s %4$s LIMIT 1000) AS head WHERE %2$I IS NOT NULL LIMIT 200) AS some_values) AS sampled$outer$,
    replace(replace(replace(format($probe$SELECT json_build_object('bytes', 0, 'kind', 'index order', 'name', %1$L, 'value', md5(string_agg(md5(v), '' ORDER BY k %2$s, v COLLATE "C"))) FROM (SELECT v, (%3$s) AS k FROM (SELECT DISTINCT v, v::%4$s AS %5$I FROM unnest(@sample@::text[]) AS v) AS naytife_strings) AS keys$probe$ ||
      CASE WHEN indisunique THEN $probe$; SELECT json_build_object('bytes', 0, 'kind', 'unique text index', 'name', %1$L, 'value', json_build_object('keys', count(DISTINCT k %2$s), 'equality', md5(string_agg(md5(alike), '' ORDER BY v COLLATE "C")))) FROM (SELECT v, k, first_value(v) OVER (PARTITION BY k %2$s ORDER BY v COLLATE "C") AS alike FROM (SELECT v, (%3$s) AS k FROM (SELECT DISTINCT v, v::%4$s AS %5$I FROM unnest(@strings@::text[]) AS v) AS naytife_strings) AS keys) AS groups$probe$ ELSE '' END || ';',
      format('%s (%s)', index, key), collation_clause, key, type, attname), '%', '%%'), '@sample@', '%1$L'), '@strings@', '%2$L'),
    attname, relation, CASE WHEN pages > 1000 THEN format('TABLESAMPLE SYSTEM (%s)', round(100000.0 / pages, 4)) ELSE '' END, :'strings')
  FROM (
    SELECT i.indexrelid::regclass AS index, i.indrelid::regclass AS relation, i.indisunique, c.relpages AS pages, a.attname, pg_get_indexdef(i.indexrelid, k.attnum, false) AS key,
           CASE t.typname WHEN 'varchar' THEN 'varchar' WHEN 'bpchar' THEN 'bpchar' WHEN 'text' THEN 'text' ELSE t.oid::regtype::text END AS type,
           CASE WHEN k.attcollation IN (0, 100) THEN '' ELSE 'COLLATE ' || k.attcollation::regcollation END AS collation_clause
      FROM pg_index i
      JOIN pg_class ic ON ic.oid = i.indexrelid AND ic.relkind = 'i' JOIN pg_am am ON am.oid = ic.relam AND am.amname = 'btree'
      JOIN pg_class c ON c.oid = i.indrelid AND c.relkind IN ('r', 'm') AND c.oid >= 16384 AND (c.relkind = 'r' OR c.relispopulated) AND c.relpersistence <> 't'
      JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname NOT LIKE 'pg\_toast%'
      JOIN pg_attribute k ON k.attrelid = i.indexrelid AND k.attnum <= i.indnkeyatts
      JOIN pg_opclass o ON o.oid = i.indclass[k.attnum - 1] AND o.opcname NOT LIKE '%pattern_ops'
      JOIN pg_type kt ON kt.oid = k.atttypid JOIN pg_type kb ON kb.oid = CASE kt.typtype WHEN 'd' THEN kt.typbasetype ELSE kt.oid END AND kb.typname IN ('text', 'varchar', 'bpchar', 'citext')
      -- The column: the key itself, or the only one that the index's expressions name.
      JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = CASE WHEN i.indkey[k.attnum - 1] <> 0 THEN i.indkey[k.attnum - 1]
        ELSE (SELECT min(refobjsubid) FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid AND d.refobjsubid > 0 AND NOT d.refobjsubid = ANY (i.indkey)
               HAVING count(DISTINCT refobjsubid) = 1) END
      JOIN pg_type ct ON ct.oid = a.atttypid JOIN pg_type t ON t.oid = CASE ct.typtype WHEN 'd' THEN ct.typbasetype ELSE ct.oid END AND t.typname IN ('text', 'varchar', 'bpchar', 'citext')
     WHERE i.indisvalid AND NOT (i.indkey[k.attnum - 1] <> 0 AND k.attcollation IN (950, 951))
       AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
  ) AS keys ORDER BY index::text, key
\gexec
