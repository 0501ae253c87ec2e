/** What the legacy database holds, in a form that two of them can be compared by. */

/**
 * One row a table or materialized view: its name, its rows, and two order-free 60-bit hashes over the rows' text.
 * Partitioned tables are asked as a whole and leaf by leaf, except for the leaves of a hash partition: an enum's hash
 * follows the values' OIDs, which differ from database to database. Foreign tables and unpopulated views are left out,
 * for they cannot be read.
 */
export const fingerprintSql = `
SELECT c.oid::regclass::text, (xpath('/row/fingerprint/text()', query_to_xml(format(
  'SELECT count(*) || '' '' || coalesce(sum((''x'' || left(hash, 15))::bit(60)::bigint), 0) || '' ''
     || coalesce(sum((''x'' || right(hash, 15))::bit(60)::bigint), 0) AS fingerprint
   FROM (SELECT md5(whole_row_::text) AS hash FROM %s %s AS whole_row_) AS hashes',
  CASE c.relkind WHEN 'r' THEN 'ONLY' ELSE '' END, c.oid::regclass), false, true, '')))[1]::text
FROM pg_class c
WHERE (c.relkind IN ('r', 'm') OR c.relkind = 'p' AND NOT c.relispartition) AND c.relispopulated
  AND NOT EXISTS (
    SELECT FROM pg_inherits i JOIN pg_partitioned_table p ON p.partrelid = i.inhparent AND p.partstrat = 'h'
    WHERE i.inhrelid = c.oid)
  AND c.relnamespace::regnamespace::text NOT LIKE 'pg\\_%' AND c.relnamespace <> 'information_schema'::regnamespace
ORDER BY c.oid::regclass::text COLLATE "C"`;

/** Every kind of thing that the seed must hold: its name, and a query whose first column counts it. */
export const inventory: Readonly<Record<string, string>> = {
  "identity, always": "SELECT count(*) FROM pg_attribute WHERE attidentity = 'a'",
  "identity, by default": "SELECT count(*) FROM pg_attribute WHERE attidentity = 'd'",
  "serial column":
    "SELECT count(*) FROM pg_depend d JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S' WHERE d.deptype = 'a' AND d.refobjsubid > 0",
  "sequence with an odd increment, cached":
    "SELECT count(*) FROM pg_sequences WHERE increment_by = 37 AND cache_size > 1 AND last_value > start_value",
  "sequence, descending and cyclic":
    "SELECT count(*) FROM pg_sequences WHERE increment_by < 0 AND cycle AND last_value < start_value",
  "sequence never called":
    "SELECT count(*) FROM pg_sequences WHERE sequencename = 'never_called' AND last_value IS NULL",
  "sequence set but not called":
    "SELECT count(*) FROM naytife_schema.set_but_not_called WHERE last_value = 777 AND NOT is_called",
  "generated column": "SELECT count(*) FROM pg_attribute WHERE attgenerated = 's'",
  "range partitions": "SELECT count(*) FROM pg_partitioned_table WHERE partstrat = 'r'",
  "list partitions": "SELECT count(*) FROM pg_partitioned_table WHERE partstrat = 'l'",
  "hash partitions": "SELECT count(*) FROM pg_partitioned_table WHERE partstrat = 'h'",
  "hash partitions on an enum": "SELECT count(*) FROM pg_class WHERE relname = 'by_status' AND relkind = 'p'",
  "default partition with rows": "SELECT count(*) FROM naytife_schema.orders_default",
  "sub-partition": "SELECT count(*) FROM pg_class WHERE relispartition AND relkind = 'p'",
  "detached partition": "SELECT count(*) FROM pg_class WHERE relname = 'regions_detached' AND NOT relispartition",
  inheritance:
    "SELECT count(*) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE c.relkind = 'r' AND NOT c.relispartition",
  "cycle of foreign keys":
    "SELECT count(*) FROM pg_constraint a JOIN pg_constraint b ON a.conrelid = b.confrelid AND a.confrelid = b.conrelid AND a.conrelid <> b.conrelid WHERE a.contype = 'f' AND b.contype = 'f'",
  "foreign key to itself": "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conrelid = confrelid",
  "deferrable constraint": "SELECT count(*) FROM pg_constraint WHERE condeferrable AND condeferred",
  "materialized view": "SELECT count(*) FROM pg_matviews WHERE ispopulated",
  "materialized view, unpopulated": "SELECT count(*) FROM pg_matviews WHERE NOT ispopulated",
  "materialized view on another":
    "SELECT count(*) FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class v ON v.oid = r.ev_class AND v.relkind = 'm' JOIN pg_class o ON o.oid = d.refobjid AND o.relkind = 'm' AND o.oid <> v.oid",
  "trigger, disabled": "SELECT count(*) FROM pg_trigger WHERE tgenabled = 'D'",
  "trigger, always": "SELECT count(*) FROM pg_trigger WHERE tgenabled = 'A'",
  "trigger, replica": "SELECT count(*) FROM pg_trigger WHERE tgenabled = 'R'",
  "constraint trigger": "SELECT count(*) FROM pg_trigger WHERE tgname = 'deferred' AND tgdeferrable",
  "event trigger": "SELECT count(*) FROM pg_event_trigger WHERE evtenabled = 'O'",
  "event trigger, disabled": "SELECT count(*) FROM pg_event_trigger WHERE evtenabled = 'D'",
  "row level security, enabled": "SELECT count(*) FROM pg_class WHERE relrowsecurity AND NOT relforcerowsecurity",
  "row level security, forced": "SELECT count(*) FROM pg_class WHERE relrowsecurity AND relforcerowsecurity",
  "policy, restrictive": "SELECT count(*) FROM pg_policy WHERE NOT polpermissive",
  "policy, permissive": "SELECT count(*) FROM pg_policy WHERE polpermissive",
  "large object": "SELECT count(*) FROM pg_largeobject_metadata",
  "large object with an owner and an ACL":
    "SELECT count(*) FROM pg_largeobject_metadata WHERE lomowner = 'naytife_app'::regrole AND lomacl IS NOT NULL",
  "large object with a comment": "SELECT count(*) FROM pg_description WHERE classoid = 'pg_largeobject'::regclass",
  "domain with a check": "SELECT count(*) FROM pg_constraint WHERE contypid <> 0",
  "enum whose values came out of order":
    "SELECT count(*) FROM pg_enum a JOIN pg_enum b ON a.enumtypid = b.enumtypid AND a.enumsortorder < b.enumsortorder AND a.oid > b.oid",
  "custom range": "SELECT count(*) FROM pg_range r JOIN pg_type t ON t.oid = r.rngtypid WHERE t.typname = 'time_range'",
  multirange: "SELECT count(*) FROM naytife_schema.structures WHERE multi IS NOT NULL AND opening IS NOT NULL",
  "array with NULL": "SELECT count(*) FROM naytife_schema.structures WHERE array_position(texts, NULL) IS NOT NULL",
  "array of two dimensions":
    "SELECT count(*) FROM naytife_schema.structures WHERE array_ndims(grid) = 2 AND array_lower(grid, 2) = -1",
  jsonb: "SELECT count(*) FROM naytife_schema.structures WHERE jsonb_typeof(jb) = 'object'",
  "json with a duplicate key": 'SELECT count(*) FROM naytife_schema.structures WHERE j::text LIKE \'%"a":1,  "a":2%\'',
  xml: "SELECT count(*) FROM naytife_schema.structures WHERE x IS DOCUMENT",
  extensions:
    "SELECT (count(*) = 4)::int FROM pg_extension WHERE extname IN ('hstore', 'citext', 'pgcrypto', 'pg_trgm')",
  "composite in a composite": "SELECT count(*) FROM naytife_schema.structures WHERE ((p).size).unit = 'c\"m'",
  "bit string": "SELECT count(*) FROM naytife_schema.structures WHERE length(vbits) = 0",
  "inet and macaddr": "SELECT count(*) FROM naytife_schema.structures WHERE family(addr) = 6 AND mac IS NOT NULL",
  "interval at the edge": "SELECT count(*) FROM naytife_schema.moments WHERE i = '178000000 years'",
  "timestamps infinite": "SELECT (count(*) = 2)::int FROM naytife_schema.moments WHERE NOT isfinite(tstz)",
  "date BC": "SELECT count(*) FROM naytife_schema.moments WHERE d < '0001-01-01' AND isfinite(d)",
  "float NaN": "SELECT count(*) FROM naytife_schema.numbers WHERE f8 = 'NaN'",
  "float infinite": "SELECT (count(*) = 2)::int FROM naytife_schema.numbers WHERE abs(f8) = 'Infinity'",
  "float minus zero": "SELECT count(*) FROM naytife_schema.numbers WHERE f8::text = '-0'",
  "float denormal": "SELECT count(*) FROM naytife_schema.numbers WHERE f8 = 4.9406564584124654e-324",
  "numeric NaN and Infinity":
    "SELECT (count(*) = 3)::int FROM naytife_schema.numbers WHERE n IN ('NaN', 'Infinity', '-Infinity')",
  "numeric, very long": "SELECT count(*) FROM naytife_schema.numbers WHERE length(n::text) > 100000",
  "bytea with NUL": "SELECT count(*) FROM naytife_schema.texts WHERE position('\\x00'::bytea IN b) > 0",
  "text of 1 MB": "SELECT count(*) FROM naytife_schema.big_values WHERE length(external) >= 1048576",
  "text in TOAST": "SELECT count(*) FROM naytife_schema.big_values WHERE pg_column_size(external) >= 1048576",
  "empty text": "SELECT count(*) FROM naytife_schema.texts WHERE t = ''",
  "NULL text": "SELECT count(*) FROM naytife_schema.texts WHERE t IS NULL",
  "combining characters": "SELECT count(*) FROM naytife_schema.texts WHERE t IS NOT NFC NORMALIZED",
  "right to left": "SELECT count(*) FROM naytife_schema.texts WHERE t LIKE '%שלום%'",
  emoji: "SELECT count(*) FROM naytife_schema.texts WHERE t LIKE '%🧿%'",
  "letters with odd cases": "SELECT count(*) FROM naytife_schema.texts WHERE t LIKE '%ß%ı%İ%'",
  "name with a newline": "SELECT count(*) FROM pg_class WHERE relname LIKE E'%\\n%'",
  "name with quote, space, dollar and dot": "SELECT count(*) FROM pg_namespace WHERE nspname LIKE '%\" $1.%'",
  "name of 63 bytes": "SELECT count(*) FROM pg_class WHERE octet_length(relname) = 63 AND relkind = 'r'",
  "name that is a reserved word": "SELECT count(*) FROM pg_class WHERE relname = 'select'",
  "check NOT VALID, with a row that violates":
    "SELECT count(*) FROM pg_constraint, naytife_schema.not_valid WHERE conname = 'positive' AND NOT convalidated AND amount <= 0",
  "foreign key NOT VALID, with a row that violates":
    "SELECT count(*) FROM pg_constraint, naytife_schema.not_valid WHERE conname = 'to_shop' AND NOT convalidated AND shop_id = -1",
  "exclusion constraint": "SELECT count(*) FROM pg_constraint WHERE contype = 'x'",
  "index, partial": "SELECT count(*) FROM pg_index WHERE indpred IS NOT NULL",
  "index on an expression": "SELECT count(*) FROM pg_index WHERE indexprs IS NOT NULL AND NOT indisprimary",
  "index, covering": "SELECT count(*) FROM pg_index WHERE indnatts > indnkeyatts",
  ...Object.fromEntries(
    ["gin", "gist", "brin", "hash"].map((method) => [
      `index, ${method}`,
      `SELECT count(*) FROM pg_class c JOIN pg_am a ON a.oid = c.relam WHERE amname = '${method}' AND c.relkind IN ('i', 'I')`,
    ]),
  ),
  "index, INVALID":
    "SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE NOT indisvalid AND c.relkind = 'i'",
  "unique NULLS NOT DISTINCT": "SELECT count(*) FROM pg_index WHERE indnullsnotdistinct",
  "collation, ICU": "SELECT count(*) FROM pg_collation WHERE collprovider = 'i' AND collname = 'numeric_order'",
  "collation, not deterministic": "SELECT count(*) FROM pg_collation WHERE NOT collisdeterministic",
  "collation of a column":
    "SELECT count(*) FROM pg_attribute WHERE attrelid = 'naytife_schema.collated'::regclass AND attcollation = '\"C\"'::regcollation",
  "statistics object": "SELECT count(*) FROM pg_statistic_ext",
  "text search configuration": "SELECT count(*) FROM pg_ts_config WHERE cfgname = 'shop_search'",
  operator: "SELECT count(*) FROM pg_operator WHERE oprname = '===='",
  "operator class": "SELECT count(*) FROM pg_opclass WHERE opcname = 'backwards'",
  cast: "SELECT count(*) FROM pg_cast WHERE castsource = 'naytife_schema.dimensions'::regtype",
  aggregate: "SELECT count(*) FROM pg_proc WHERE prokind = 'a' AND proname = 'joined'",
  procedure: "SELECT count(*) FROM pg_proc WHERE prokind = 'p' AND proname = 'close_month'",
  "function BEGIN ATOMIC": "SELECT count(*) FROM pg_proc WHERE proname = 'net_price' AND prosqlbody IS NOT NULL",
  "function in plpgsql":
    "SELECT count(*) FROM pg_proc WHERE proname = 'order_count' AND prosecdef AND proconfig IS NOT NULL",
  "base type": "SELECT count(*) FROM pg_type WHERE typname = 'shelf_code' AND typtype = 'b'",
  "view, security barrier":
    "SELECT count(*) FROM pg_class WHERE relkind = 'v' AND 'security_barrier=true' = ANY (reloptions)",
  "view, recursive":
    "SELECT count(*) FROM pg_views WHERE definition LIKE '%RECURSIVE%' AND schemaname = 'naytife_schema'",
  "view with check option": "SELECT count(*) FROM information_schema.views WHERE check_option = 'CASCADED'",
  rule: "SELECT count(*) FROM pg_rules WHERE rulename = 'log_insert'",
  "rule, disabled": "SELECT count(*) FROM pg_rewrite WHERE ev_enabled = 'D'",
  comments: "SELECT (count(DISTINCT classoid) >= 10)::int FROM pg_description WHERE objoid >= 16384",
  "comment on a role": "SELECT count(*) FROM pg_shdescription WHERE classoid = 'pg_authid'::regclass",
  "default privileges": "SELECT count(*) FROM pg_default_acl",
  "grant option":
    "SELECT count(*) FROM pg_class, aclexplode(relacl) AS a WHERE a.is_grantable AND a.grantee <> relowner",
  "column privilege": "SELECT count(*) FROM pg_attribute WHERE attacl IS NOT NULL AND attrelid >= 16384",
  "PUBLIC revoked":
    "SELECT count(*) FROM pg_database WHERE datname = current_database() AND NOT EXISTS (SELECT FROM aclexplode(datacl) WHERE grantee = 0)",
  "objects of other owners":
    "SELECT count(*) FROM pg_class WHERE relowner IN (SELECT oid FROM pg_roles WHERE rolname IN ('hydra_app', 'Odd \"Role\" o''neil-ü'))",
  "setting of a role": "SELECT count(*) FROM pg_db_role_setting WHERE setrole <> 0 AND setdatabase = 0",
  "setting of a role in the database":
    "SELECT count(*) FROM pg_db_role_setting WHERE setrole <> 0 AND setdatabase <> 0",
  "setting of the database": "SELECT count(*) FROM pg_db_role_setting WHERE setrole = 0 AND setdatabase <> 0",
  "role that cannot log in": "SELECT count(*) FROM pg_roles WHERE NOT rolcanlogin AND rolname = 'shop_writers'",
  "membership with admin option": "SELECT count(*) FROM pg_auth_members WHERE admin_option",
  "role with an md5 password": "SELECT count(*) FROM pg_authid WHERE rolpassword LIKE 'md5%'",
  "role with a SCRAM password":
    "SELECT count(*) FROM pg_authid WHERE rolpassword LIKE 'SCRAM-SHA-256$%' AND rolname <> 'naytife'",
  "role with an end and a connection limit":
    "SELECT count(*) FROM pg_roles WHERE rolvaliduntil IS NOT NULL AND rolconnlimit = 2",
  "role name that needs quoting": "SELECT count(*) FROM pg_roles WHERE quote_ident(rolname) <> rolname",
  "unlogged table": "SELECT count(*) FROM pg_class WHERE relpersistence = 'u' AND relkind = 'r'",
  "table without a primary key": "SELECT count(*) FROM naytife_schema.no_primary_key",
  "table without columns": "SELECT count(*) FROM naytife_schema.no_columns",
  "empty table": "SELECT (count(*) = 0)::int FROM naytife_schema.empty_table",
  "dropped columns":
    "SELECT count(*) FROM pg_attribute WHERE attisdropped AND attrelid = 'naytife_schema.dropped_columns'::regclass",
  "storage parameters": "SELECT count(*) FROM pg_class WHERE 'fillfactor=70' = ANY (reloptions)",
  "column storage":
    "SELECT count(*) FROM pg_attribute WHERE attstorage = 'e' AND attrelid = 'naytife_schema.big_values'::regclass",
  "column compression lz4": "SELECT count(*) FROM pg_attribute WHERE attcompression = 'l'",
  "column compression pglz": "SELECT count(*) FROM pg_attribute WHERE attcompression = 'p'",
  publication: "SELECT count(*) FROM pg_publication",
  subscription: "SELECT count(*) FROM pg_subscription WHERE NOT subenabled",
  "foreign server": "SELECT count(*) FROM pg_foreign_server",
  "user mapping": "SELECT count(*) FROM pg_user_mappings WHERE usename = 'naytife'",
  "foreign table": "SELECT count(*) FROM pg_foreign_table",
  "table access method": "SELECT count(*) FROM pg_class c JOIN pg_am a ON a.oid = c.relam WHERE amname = 'second_heap'",
  "clustered by one index, identified by another":
    "SELECT count(*) FROM pg_index i JOIN pg_index c USING (indrelid) WHERE i.indisreplident AND c.indisclustered AND i.indexrelid <> c.indexrelid",
  "replica identity full": "SELECT count(*) FROM pg_class WHERE relreplident = 'f'",
};
