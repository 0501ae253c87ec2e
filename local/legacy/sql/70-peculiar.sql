-- What real databases hold and tools get wrong: a little of each, in the schema `naytife_schema` and in one whose name needs quoting.
\set ON_ERROR_STOP 1
SET search_path = naytife_schema, seed_generator, extensions;
SET client_min_messages = warning;

-- Sequences: plain, odd increment, cached, cyclic; descending; one that was never called; one owned by a column.
CREATE SEQUENCE invoice_number AS bigint START 100000 INCREMENT 37 CACHE 50;
SELECT nextval('invoice_number') FROM generate_series(1, 5) \g /dev/null
CREATE SEQUENCE countdown INCREMENT -3 MINVALUE -1000000 MAXVALUE 900 START 900 CYCLE;
SELECT nextval('countdown') FROM generate_series(1, 11) \g /dev/null
CREATE SEQUENCE never_called START 42;
CREATE SEQUENCE set_but_not_called;
SELECT setval('set_but_not_called', 777, false) \g /dev/null
CREATE SEQUENCE small_and_nearly_spent AS smallint;
SELECT setval('small_and_nearly_spent', 32766) \g /dev/null
COMMENT ON SEQUENCE invoice_number IS 'In steps of 37, so that nobody counts our invoices';

-- Types: enum, composite (nested), domain over array and composite, range with its own subtype function and collation, base type, shell type.
CREATE TYPE dimensions AS (width numeric, height numeric, unit text);
CREATE TYPE parcel AS (size dimensions, labels text[], insured boolean);
COMMENT ON TYPE parcel IS 'A composite in a composite';
CREATE DOMAIN percentages AS smallint[] CHECK (array_length(VALUE, 1) <= 4) CHECK (0 <= ALL (VALUE));
CREATE DOMAIN small_dimensions AS dimensions CHECK ((VALUE).width < 100);
ALTER DOMAIN percentages ADD CONSTRAINT no_hundred CHECK (100 <> ALL (VALUE)) NOT VALID;
CREATE FUNCTION time_subtype_diff(x time, y time) RETURNS double precision LANGUAGE sql STRICT IMMUTABLE
RETURN EXTRACT(EPOCH FROM (x - y));
CREATE TYPE time_range AS RANGE (SUBTYPE = time, SUBTYPE_DIFF = naytife_schema.time_subtype_diff, MULTIRANGE_TYPE_NAME = time_multirange);
CREATE TYPE shelf_code;
CREATE FUNCTION shelf_code_in(cstring) RETURNS shelf_code LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION shelf_code_out(shelf_code) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
CREATE TYPE shelf_code (INPUT = shelf_code_in, OUTPUT = shelf_code_out, LIKE = text);

-- Collations: ICU custom, non-deterministic, and per column.
CREATE COLLATION numeric_order (PROVIDER = icu, LOCALE = 'en-u-kn');
CREATE COLLATION case_blind (PROVIDER = icu, LOCALE = 'und-u-ks-level2', DETERMINISTIC = false);
CREATE TABLE collated (
  id integer PRIMARY KEY,
  c text COLLATE "C" NOT NULL,
  icu text COLLATE numeric_order NOT NULL,
  blind text COLLATE case_blind UNIQUE,
  plain text
);
INSERT INTO collated SELECT i, s, s || i, 'Blind' || i, s FROM
  unnest(ARRAY['a', 'B', 'A', 'b', 'é', 'é', 'ß', 'ss', 'ı', 'I', 'İ', 'i', 'שלום', '👩‍👩‍👧‍👦', 'item10', 'item9', '', ' ', 'Z', 'ž', '가', '日本']) WITH ORDINALITY AS t (s, i);
CREATE INDEX collated_plain ON collated (plain);
CREATE INDEX collated_upper ON collated (upper(plain) COLLATE "C");

-- Every kind of value, the edges first.
CREATE TABLE numbers (
  id integer PRIMARY KEY, f8 double precision, f4 real, n numeric, exact numeric(20, 10), i2 smallint, i4 integer, i8 bigint
);
INSERT INTO numbers VALUES
  (1, 'NaN', 'NaN', 'NaN', 'NaN', -32768, -2147483648, -9223372036854775808),
  (2, 'Infinity', 'Infinity', 'Infinity', 0, 32767, 2147483647, 9223372036854775807),
  (3, '-Infinity', '-Infinity', '-Infinity', -0.0000000001, 0, 0, 0),
  (4, '-0', '-0', 0.000, 1234567890.0123456789, NULL, NULL, NULL),
  (5, 4.9406564584124654e-324, 1.4e-45, 1e-16000, 1, 1, 1, 1),
  (6, 1.7976931348623157e308, 3.4028235e38, ('1' || repeat('0', 100000))::numeric, 1, 1, 1, 1),
  (7, 0.1, 0.1, (repeat('123456789', 1500) || '.' || repeat('987654321', 1500))::numeric, 1, 1, 1, 1),
  (8, 2.2250738585072011e-308, 1.1754942e-38, 1.10, 1.1, 1, 1, 1),
  (9, 0.30000000000000004, 16777217, 1.1000, 1.1, 1, 1, 1);
CREATE TABLE moments (
  id integer PRIMARY KEY, d date, t time, ttz timetz, ts timestamp, tstz timestamptz(6), i interval
);
INSERT INTO moments VALUES
  (1, 'infinity', '24:00:00', '24:00:00-15:59', 'infinity', 'infinity', '178000000 years'),
  (2, '-infinity', '00:00:00', '00:00:00+15:59', '-infinity', '-infinity', '-178000000 years'),
  (3, '4713-01-01 BC', '23:59:59.999999', '12:00:00.000001+05:45', '4713-01-01 00:00:00 BC', '4713-01-02 00:00:00+00 BC', '1 mon -30 days 00:00:00.000001'),
  (4, '5874897-12-31', '12:00', '12:00+00', '294276-12-31 23:59:59.999999', '294276-12-31 23:59:59.999999+00', '-1 mon +1 day -00:00:01'),
  (5, '0001-12-31 BC', '12:00', '12:00+00', '1582-10-10', '1900-01-01 00:00:00+00', '1 year 2 mons 3 days 04:05:06.789'),
  (6, '2024-02-29', '02:30', '02:30+03', '2024-03-31 02:30:00', '2024-10-27 00:59:59.999999+00', '24:00:00'),
  (7, '2000-01-01', '12:00', '12:00+00', '2000-01-01', '2000-01-01 00:00:00+00', '1 day');
CREATE TABLE texts (id integer PRIMARY KEY, kind text NOT NULL, t text, v varchar(20), c char(8), b bytea);
INSERT INTO texts VALUES
  (1, 'null', NULL, NULL, NULL, NULL), (2, 'empty', '', '', '', ''), (3, 'spaces', '  x  ', '   ', 'x  ', '\x202020'),
  (4, 'null, spelt out', 'NULL', '\N', '\N', '\x5c4e'), (5, 'end of copy', E'\\.\n\\.\n', '\.', '\.', '\x5c2e0a'),
  (6, 'controls', E'\x01\x02\t\r\n\x0b\x0c\x7f\u0085\u2028', E'\t', E'\r\n', '\x00010203ff00'),
  (7, 'combining', U&'e\0301 Z\0351\036B\0343\0349\0317o', 'n' || U&'\0303', 'e' || U&'\0301', '\x'),
  (8, 'right to left', 'مرحبا שלום ' || U&'\202E' || 'abc' || U&'\202C', 'שָׁלוֹם', 'عربي', convert_to('שלום', 'UTF8')),
  (9, 'emoji', '👩‍👩‍👧‍👦 🏳️‍🌈 🇪🇹 ' || U&'\+01F9FF', '🧿', '🧿', convert_to('🧿', 'UTF8')),
  (10, 'case', 'ß ẞ ı I İ i ŉ ǰ Σσς Ǆǅǆ', 'STRASSE', 'ß', '\xc39f'),
  (11, 'highest and private', U&'\FFFD\E000\+10FFFF', U&'\+10FFFF', 'x', '\xf48fbfbf'),
  (12, 'quotes', $$'"`´’ ''; DROP TABLE students; -- $1 $$ || '$$ \ \\ % _ {}', $$a'b"c$$, '\', '\x27225c');
-- TOAST: 1 MB that does not compress, and 1 MB that does, under each storage and compression.
CREATE TABLE big_values (
  id integer PRIMARY KEY,
  external text,
  compressed text COMPRESSION pglz,
  lz4 text COMPRESSION lz4,
  main bytea
) WITH (toast_tuple_target = 256, toast.autovacuum_enabled = false);
ALTER TABLE big_values ALTER COLUMN external SET STORAGE EXTERNAL, ALTER COLUMN main SET STORAGE MAIN;
INSERT INTO big_values
SELECT i, (SELECT string_agg(md5(hex(h(g, i))), '' ORDER BY g) FROM generate_series(1, 32768) AS g), repeat('ሰላም ', 262144), repeat(passage(h(i, 5), 500), 2098),
  decode(repeat('00ff', 4000), 'hex') FROM generate_series(1, 1) AS i;
INSERT INTO big_values SELECT i, repeat('x', 2000 + i), repeat('y', 3000), repeat('z', 5000), '\x00' FROM generate_series(2, 20) AS i;
CREATE TABLE structures (
  id integer PRIMARY KEY,
  jb jsonb, j json, x xml, h hstore, ci citext, path ltree, ints integer[], texts text[], grid integer[][], ranges int4range, dates daterange, multi nummultirange,
  hours time_range, opening time_multirange, p parcel, small small_dimensions, pct percentages, shelf shelf_code, bits bit(12), vbits bit varying,
  addr inet, net cidr, mac macaddr, mac8 macaddr8, id_ uuid, pt point, poly polygon, circ circle, l line, c cube, q tsquery, v tsvector, rel regclass, lsn pg_lsn, statuses order_status[],
  parcels parcel[], booleans boolean[]
);
INSERT INTO structures VALUES
  (1, '{"a": [1, 2.50, -0, 1e400, null, true, "\u1e9e"], "": {}, "dup": 2}', '{"a":1,  "a":2, "n": 1.10000000000000000000000001}', '<?xml version="1.0"?><r a="1">ü<!-- c --><![CDATA[<x>]]></r>',
   '"a b"=>"1", c=>NULL, ""=>""', 'MiXeD', 'Top.Sub_1', '{1,NULL,3}', '{"",NULL,"NULL","a\"b\\c","{}",ü}', '[0:1][-1:0]={{1,2},{3,NULL}}', '[1,10)', '(,2024-01-01)', '{(,1.5],[2,3),(10,)}',
   '[08:00,17:30)', '{[08:00,12:00),[13:00,17:30)}', ROW(ROW('NaN', 1.10, 'c"m'), '{a,NULL}', NULL), ROW(1, NULL, ''), '{1,2}', 'A-01', B'101010101010', B'1',
   '::ffff:1.2.3.4/96', '2001:db8::/32', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', '00000000-0000-0000-0000-000000000000', '(NaN,Infinity)', '((0,0),(1,1),(1e-300,-0))', '<(1,2),0>',
   '{1,2,3}', '(1,2,3),(4,5,6)', '''fat'' & (rat | !cat:*AB)', 'a:1A fat:2B,3C', 'naytife_schema.orders', 'FFFFFFFF/FFFFFFFF', '{draft,cancelled,NULL}',
   ARRAY[ROW(ROW(1, 2, 'x'), '{}', true)::parcel, NULL], '{t,NULL,f}'),
  (2, 'null', 'null', '', '', '', '', '{}', '{}', '{}', 'empty', '[-infinity,infinity]', '{}', NULL, NULL, NULL, NULL, '{}', '', B'000000000000', B'',
   '0.0.0.0/0', '0.0.0.0/0', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '', '', NULL, '0/0', '{}', '{}', '{}');
INSERT INTO structures (id) VALUES (3);

-- Names that need quoting.
CREATE SCHEMA "Odd ""Schema"" $1.ü";
CREATE TABLE "Odd ""Schema"" $1.ü"."select" ("from" integer PRIMARY KEY, "Quote""d" text, "a.b" text, "$dollar" text, " lead" text, "new
line" text, "ለምለም" text, "%s \ '" text DEFAULT 'it''s');
INSERT INTO "Odd ""Schema"" $1.ü"."select" VALUES (1, 'a', 'b', 'c', 'd', 'e', 'f', DEFAULT), (2, NULL, '', '$$', E'\n', '\', 'ü', '%');
CREATE TABLE "Odd ""Schema"" $1.ü"."sixty-three bytes: 12345678901234567890123456789012345678901234" (id serial PRIMARY KEY, v text);
INSERT INTO "Odd ""Schema"" $1.ü"."sixty-three bytes: 12345678901234567890123456789012345678901234" (v) SELECT 'v' || i FROM generate_series(1, 7) AS i;
CREATE TABLE "Odd ""Schema"" $1.ü"."new
line; DROP TABLE x; --" (id integer, "👻" text);
INSERT INTO "Odd ""Schema"" $1.ü"."new
line; DROP TABLE x; --" VALUES (1, '👻');
CREATE INDEX "index ""on"" select" ON "Odd ""Schema"" $1.ü"."select" ("Quote""d", "a.b");
CREATE VIEW "Odd ""Schema"" $1.ü"."View" AS SELECT "from" AS "As", "Quote""d" || "a.b" AS "user" FROM "Odd ""Schema"" $1.ü"."select";
COMMENT ON COLUMN "Odd ""Schema"" $1.ü"."select"."new
line" IS E'two\nlines, a '' and a \\, and $$ too';

-- Shapes of tables.
CREATE TABLE no_columns ();
INSERT INTO no_columns DEFAULT VALUES;
INSERT INTO no_columns DEFAULT VALUES;
CREATE TABLE empty_table (id integer PRIMARY KEY, v text);
CREATE TABLE no_primary_key (v text, n integer);
INSERT INTO no_primary_key SELECT 'same', 1 FROM generate_series(1, 5);
INSERT INTO no_primary_key VALUES (NULL, NULL), (NULL, NULL);
CREATE TABLE dropped_columns (gone_first integer, id integer PRIMARY KEY, gone text DEFAULT 'x', v text, gone_last numeric);
INSERT INTO dropped_columns SELECT i, i, 'gone', 'v' || i, i FROM generate_series(1, 100) AS i;
ALTER TABLE dropped_columns DROP COLUMN gone_first, DROP COLUMN gone, DROP COLUMN gone_last;
-- A default that was added later lies in the catalog, not in the rows.
ALTER TABLE dropped_columns ADD COLUMN added_later text DEFAULT 'never written', ADD COLUMN flag boolean NOT NULL DEFAULT true;
CREATE UNLOGGED TABLE page_views (id bigserial PRIMARY KEY, path text NOT NULL, seen_at timestamptz);
INSERT INTO page_views (path, seen_at) SELECT '/p/' || h(i, 3) % 100, '2026-06-01 00:00:00+00'::timestamptz + i * '1 second'::interval FROM generate_series(1, 5000) AS i;
CREATE TABLE events (id integer, at date, what text);
CREATE TABLE events_special (extra text, CHECK (id > 0)) INHERITS (events);
CREATE TABLE events_very_special (CHECK (what <> '') NO INHERIT) INHERITS (events_special);
INSERT INTO events VALUES (1, '2026-01-01', 'parent');
INSERT INTO events_special VALUES (2, '2026-01-02', 'child', 'x');
INSERT INTO events_very_special VALUES (3, '2026-01-03', 'grandchild', 'y');
ALTER TABLE events_special ALTER COLUMN what SET DEFAULT 'special';
CREATE TABLE typed OF dimensions (PRIMARY KEY (unit));
INSERT INTO typed VALUES (1, 2, 'cm');
CREATE ACCESS METHOD second_heap TYPE TABLE HANDLER heap_tableam_handler;
CREATE TABLE on_second_heap (id integer PRIMARY KEY) USING second_heap;
INSERT INTO on_second_heap SELECT generate_series(1, 10);

-- Partitions: list with NULL and default, hash on text and on an enum (its hash follows the OID, so rows land elsewhere after a restore), a detached one,
-- a partition whose columns lie in another order, an index on the parent alone.
CREATE TABLE regions (id integer, code text COLLATE "C", v text, PRIMARY KEY (id, code)) PARTITION BY LIST (code);
CREATE TABLE regions_east PARTITION OF regions FOR VALUES IN ('ET', 'KE');
CREATE TABLE regions_other PARTITION OF regions DEFAULT;
CREATE TABLE regions_west (v text, gone integer, code text COLLATE "C" NOT NULL, id integer NOT NULL);
ALTER TABLE regions_west DROP COLUMN gone;
ALTER TABLE regions ATTACH PARTITION regions_west FOR VALUES IN ('SN', 'GH');
CREATE TABLE regions_detached PARTITION OF regions FOR VALUES IN ('XX');
INSERT INTO regions SELECT i, (ARRAY['ET', 'KE', 'SN', 'GH', 'XX', 'ZZ', 'é'])[1 + i % 7], passage(h(i, 9), 12) FROM generate_series(1, 700) AS i;
ALTER TABLE regions DETACH PARTITION regions_detached;
CREATE TABLE hashed (k text COLLATE "C", v integer) PARTITION BY HASH (k);
SELECT format('CREATE TABLE hashed_%s PARTITION OF hashed FOR VALUES WITH (MODULUS 4, REMAINDER %s)', r, r) FROM generate_series(0, 3) AS r \gexec
INSERT INTO hashed SELECT 'key ' || i, i FROM generate_series(1, 1000) AS i;
CREATE TABLE by_status (status order_status, v integer) PARTITION BY HASH (status);
SELECT format('CREATE TABLE by_status_%s PARTITION OF by_status FOR VALUES WITH (MODULUS 3, REMAINDER %s)', r, r) FROM generate_series(0, 2) AS r \gexec
INSERT INTO by_status SELECT (enum_range(NULL::order_status))[1 + i % 6], i FROM generate_series(1, 600) AS i;
CREATE INDEX regions_v ON ONLY regions (v);

-- Constraints: one of each state.
CREATE TABLE not_valid (id integer PRIMARY KEY, amount integer, shop_id integer);
INSERT INTO not_valid VALUES (1, 5, 100), (2, -5, 100), (3, 7, -1);
ALTER TABLE not_valid ADD CONSTRAINT positive CHECK (amount > 0) NOT VALID;
ALTER TABLE not_valid ADD CONSTRAINT to_shop FOREIGN KEY (shop_id) REFERENCES shops NOT VALID;
CREATE TABLE bookings (
  id integer PRIMARY KEY, room text NOT NULL, during tstzrange NOT NULL, seat integer, note text,
  CONSTRAINT no_overlap EXCLUDE USING gist (room WITH =, during WITH &&) WHERE (note IS DISTINCT FROM 'tentative') DEFERRABLE INITIALLY DEFERRED,
  CONSTRAINT one_seat UNIQUE NULLS NOT DISTINCT (room, seat) DEFERRABLE INITIALLY IMMEDIATE
);
INSERT INTO bookings SELECT i, 'room ' || i % 5, tstzrange('2026-01-01 00:00:00+00'::timestamptz + i * '1 hour'::interval, '2026-01-01 00:30:00+00'::timestamptz + i * '1 hour'::interval), i, NULL
FROM generate_series(1, 200) AS i;
CREATE TABLE invalid_index (v integer);
INSERT INTO invalid_index VALUES (1), (1), (2);
\set ON_ERROR_STOP 0
\set VERBOSITY terse
-- Fails on the duplicate, as meant, and leaves an INVALID index behind.
CREATE UNIQUE INDEX CONCURRENTLY invalid_index_v ON invalid_index (v);
\set ON_ERROR_STOP 1
\set VERBOSITY default
CREATE TABLE employees (id integer PRIMARY KEY, manager_id integer CONSTRAINT employees_manager REFERENCES employees (id) DEFERRABLE INITIALLY DEFERRED, name text, salary numeric);
INSERT INTO employees VALUES (1, 3, 'Ada', 100), (2, 1, 'Bo', 200), (3, 2, 'Cy', 300), (4, 4, 'Self', 400);
ALTER TABLE employees CLUSTER ON employees_pkey;
ALTER TABLE employees REPLICA IDENTITY FULL;
-- Clustered by one index, known by another: restored side by side, each wants the table that the other one holds.
CREATE TABLE seats (number integer NOT NULL, hall text);
INSERT INTO seats SELECT i, 'hall ' || i % 7 FROM generate_series(1, 2000) AS i;
CREATE UNIQUE INDEX seats_number ON seats (number);
CREATE INDEX seats_hall ON seats (hall);
ALTER TABLE seats REPLICA IDENTITY USING INDEX seats_number;
ALTER TABLE seats CLUSTER ON seats_hall;
COMMENT ON INDEX seats_number IS 'Printed on the ticket';
CREATE STATISTICS orders_dependencies (ndistinct, dependencies, mcv) ON shop_id, status FROM orders;
CREATE STATISTICS employees_expression ON (salary * 12), (lower(name)) FROM employees;
ALTER STATISTICS employees_expression SET STATISTICS 250;
COMMENT ON STATISTICS employees_expression IS 'Of an expression';

-- Functions of each language and shape, aggregates, operators, casts.
CREATE FUNCTION net_price(gross numeric, rate numeric DEFAULT 0.15) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT round(gross / (1 + rate), 2);
END;
CREATE FUNCTION order_count(shop integer, OUT total bigint, OUT latest timestamptz) LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = naytife_schema, pg_temp COST 500 AS $body$
BEGIN
  -- $1 and $$ in here are for those who quote naively.
  SELECT count(*), max(placed_at) INTO total, latest FROM orders WHERE shop_id = shop;
END
$body$;
CREATE FUNCTION top_products(VARIADIC shops integer[]) RETURNS TABLE (id bigint, title text) LANGUAGE sql STABLE ROWS 20 AS
  'SELECT id, title FROM naytife_schema.products WHERE shop_id = ANY (shops) ORDER BY id LIMIT 20';
CREATE FUNCTION "Odd ""Schema"" $1.ü"."fn with ""quotes"""("Arg 1" text) RETURNS text LANGUAGE sql IMMUTABLE LEAKPROOF AS $$ SELECT "Arg 1" || '$x$' $$;
CREATE PROCEDURE close_month(INOUT closed date) LANGUAGE plpgsql AS $$ BEGIN closed := date_trunc('month', closed); COMMIT; END $$;
COMMENT ON FUNCTION net_price (numeric, numeric) IS 'Without VAT';
CREATE FUNCTION concat_state(state text, next text) RETURNS text LANGUAGE sql IMMUTABLE RETURN coalesce(state || ',', '') || next;
CREATE AGGREGATE joined (text) (SFUNC = naytife_schema.concat_state, STYPE = text, PARALLEL = SAFE);
COMMENT ON AGGREGATE joined (text) IS 'Before string_agg came';
CREATE FUNCTION dimensions_equal(a dimensions, b dimensions) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN a.width = b.width AND a.height = b.height;
CREATE OPERATOR ==== (LEFTARG = dimensions, RIGHTARG = dimensions, FUNCTION = naytife_schema.dimensions_equal, COMMUTATOR = ====, NEGATOR = !===);
CREATE FUNCTION dimensions_differ(a dimensions, b dimensions) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN NOT naytife_schema.dimensions_equal(a, b);
CREATE OPERATOR !=== (LEFTARG = dimensions, RIGHTARG = dimensions, FUNCTION = naytife_schema.dimensions_differ, COMMUTATOR = !===, NEGATOR = ====);
COMMENT ON OPERATOR ==== (dimensions, dimensions) IS 'Blind to the unit';
CREATE FUNCTION dimensions_to_text(d dimensions) RETURNS text LANGUAGE sql IMMUTABLE RETURN d.width || '×' || d.height || d.unit;
CREATE CAST (dimensions AS text) WITH FUNCTION dimensions_to_text (dimensions) AS ASSIGNMENT;
COMMENT ON CAST (dimensions AS text) IS 'For labels';
CREATE FUNCTION backwards_compare(a integer, b integer) RETURNS integer LANGUAGE sql IMMUTABLE STRICT RETURN CASE WHEN a > b THEN -1 WHEN a < b THEN 1 ELSE 0 END;
CREATE OPERATOR FAMILY backwards_family USING btree;
CREATE OPERATOR CLASS backwards FOR TYPE integer USING btree FAMILY backwards_family AS
  OPERATOR 1 > , OPERATOR 2 >= , OPERATOR 3 = , OPERATOR 4 <= , OPERATOR 5 < , FUNCTION 1 naytife_schema.backwards_compare (integer, integer);
CREATE INDEX employees_backwards ON employees (id backwards);
CREATE CONVERSION latin1_to_utf8 FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;

-- Text search, down to a parser of its own.
CREATE TEXT SEARCH DICTIONARY shop_words (TEMPLATE = pg_catalog.simple, ACCEPT = true);
CREATE TEXT SEARCH PARSER shop_parser (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype);
CREATE TEXT SEARCH TEMPLATE shop_template (INIT = dsimple_init, LEXIZE = dsimple_lexize);
CREATE TEXT SEARCH CONFIGURATION shop_search (PARSER = shop_parser);
ALTER TEXT SEARCH CONFIGURATION shop_search ADD MAPPING FOR asciiword, word, numword WITH extensions.unaccent, shop_words;
COMMENT ON TEXT SEARCH CONFIGURATION shop_search IS 'No accents, no stemming';

-- Views, rules, materialized views.
CREATE VIEW open_orders WITH (security_barrier = true) AS SELECT * FROM orders WHERE status IN ('pending', 'paid');
CREATE VIEW cheap_variants AS SELECT id, product_id, sku, price, tax_rate FROM variants WHERE price < 10 WITH LOCAL CHECK OPTION;
CREATE VIEW very_cheap_variants WITH (security_invoker = true) AS SELECT * FROM cheap_variants WHERE price < 5 WITH CASCADED CHECK OPTION;
ALTER VIEW cheap_variants ALTER COLUMN price SET DEFAULT 1;
CREATE RECURSIVE VIEW category_tree (id, depth, trail) AS
  SELECT id, 0, name FROM categories WHERE parent_id IS NULL
  UNION ALL SELECT c.id, t.depth + 1, t.trail || ' › ' || c.name FROM categories c JOIN category_tree t ON c.parent_id = t.id;
COMMENT ON VIEW category_tree IS 'With its trail';
CREATE TABLE rule_log (what text);
CREATE RULE no_delete AS ON DELETE TO employees DO INSTEAD NOTHING;
CREATE RULE log_insert AS ON INSERT TO typed DO ALSO INSERT INTO rule_log VALUES (NEW.unit);
ALTER TABLE employees DISABLE RULE no_delete;
COMMENT ON RULE log_insert ON typed IS 'Twice as good';
CREATE MATERIALIZED VIEW shop_totals AS SELECT shop_id, count(*) AS orders, sum(total) AS total FROM orders GROUP BY shop_id;
CREATE UNIQUE INDEX shop_totals_shop ON shop_totals (shop_id);
CREATE MATERIALIZED VIEW best_shops AS SELECT t.shop_id, s.name, t.total FROM shop_totals t JOIN shops s ON s.id = t.shop_id WHERE t.total > 0;
CREATE MATERIALIZED VIEW never_refreshed AS SELECT id, title FROM products WITH NO DATA;
COMMENT ON MATERIALIZED VIEW never_refreshed IS 'Reads fail until somebody refreshes it';

-- Triggers, in each of their states. Each leaves a trace when it fires in a load where it should not.
CREATE TABLE trigger_log (id integer GENERATED ALWAYS AS IDENTITY, what text NOT NULL, on_table name NOT NULL);
CREATE FUNCTION log_trigger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO naytife_schema.trigger_log (what, on_table) VALUES (TG_NAME, TG_TABLE_NAME);
  RETURN NULL;
END $$;
CREATE TABLE watched (id integer PRIMARY KEY, v text, touched timestamptz);
CREATE TRIGGER enabled AFTER INSERT OR UPDATE OF v ON watched FOR EACH ROW WHEN (NEW.id > 0) EXECUTE FUNCTION log_trigger('an argument', 'ü');
CREATE TRIGGER disabled AFTER INSERT ON watched FOR EACH ROW EXECUTE FUNCTION log_trigger();
CREATE TRIGGER always AFTER INSERT ON watched FOR EACH STATEMENT EXECUTE FUNCTION log_trigger();
CREATE TRIGGER replica AFTER INSERT ON watched FOR EACH ROW EXECUTE FUNCTION log_trigger();
CREATE CONSTRAINT TRIGGER deferred AFTER INSERT ON watched DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION log_trigger();
CREATE TRIGGER transition AFTER UPDATE ON watched REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION log_trigger();
CREATE TRIGGER on_view INSTEAD OF DELETE ON open_orders FOR EACH ROW EXECUTE FUNCTION log_trigger();
ALTER TABLE watched DISABLE TRIGGER disabled, ENABLE ALWAYS TRIGGER always, ENABLE REPLICA TRIGGER replica;
COMMENT ON TRIGGER disabled ON watched IS 'Off since the incident';
INSERT INTO watched SELECT i, 'v' || i, '2026-01-01 00:00:00+00' FROM generate_series(1, 10) AS i;

-- Row level security: enabled, forced, permissive and restrictive policies.
CREATE TABLE tenants_only (id integer PRIMARY KEY, tenant text NOT NULL, secret text);
INSERT INTO tenants_only SELECT i, 'tenant ' || i % 3, 'secret ' || i FROM generate_series(1, 300) AS i;
ALTER TABLE tenants_only ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants_only FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON tenants_only FOR ALL TO shop_readers, "Odd ""Role"" o'neil-ü" USING (tenant = current_setting('naytife.tenant', true)) WITH CHECK (tenant <> '');
CREATE POLICY never_empty ON tenants_only AS RESTRICTIVE FOR SELECT TO PUBLIC USING (secret IS NOT NULL);
COMMENT ON POLICY own_rows ON tenants_only IS 'One''s own';
CREATE TABLE nobody_sees (id integer);
INSERT INTO nobody_sees SELECT generate_series(1, 9);
ALTER TABLE nobody_sees ENABLE ROW LEVEL SECURITY;
CREATE TABLE policy_but_off (id integer);
CREATE POLICY asleep ON policy_but_off USING (false);

-- Large objects: with an owner, an ACL and a comment; an empty one; one above the 2 kB page; one that no row names.
SELECT lo_from_bytea(910001, '\x00ff00ff') \g /dev/null
SELECT lo_from_bytea(910002, '') \g /dev/null
SELECT lo_from_bytea(910003, (SELECT string_agg(int8send(h(g, 77)), ''::bytea ORDER BY g) FROM generate_series(1, 40000) AS g)) \g /dev/null
SELECT lo_create(910004) \g /dev/null
-- A hole: the first megabyte was never written.
DO $$ DECLARE fd integer := lo_open(910004, 131072); BEGIN PERFORM lo_lseek64(fd, 1048576, 0); PERFORM lowrite(fd, 'end'); END $$;
COMMENT ON LARGE OBJECT 910001 IS 'A label, as it was printed';
CREATE TABLE labels (id integer PRIMARY KEY, image oid);
INSERT INTO labels VALUES (1, 910001), (2, 910002), (3, 910003), (4, NULL);
