-- Reads PostgreSQL's stream of changes (pgoutput, version 1 of its protocol) as far as needed to know which rows changed: made on the target by an online run.
-- https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
CREATE OR REPLACE FUNCTION naytife_migration.int16(data bytea, place int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT get_byte(data, place) << 8 | get_byte(data, place + 1)';
CREATE OR REPLACE FUNCTION naytife_migration.int32(data bytea, place int) RETURNS bigint LANGUAGE sql IMMUTABLE AS
  'SELECT get_byte(data, place)::bigint << 24 | get_byte(data, place + 1) << 16 | get_byte(data, place + 2) << 8 | get_byte(data, place + 3)';

-- The key in the tuple at `place`, which is moved behind it where that is needed. `columns`: the tuple's columns by name, NULL for those that are no part of the
-- key. NULL if the key is not told: it was too long to be sent again.
CREATE OR REPLACE FUNCTION naytife_migration.key_in(data bytea, INOUT place int, columns text[], to_its_end boolean, OUT key jsonb) LANGUAGE plpgsql IMMUTABLE AS $body$
DECLARE
  last int := CASE WHEN to_its_end THEN naytife_migration.int16(data, place) ELSE cardinality(columns) END;
  length int;
BEGIN
  key := '{}';
  place := place + 2;
  FOR i IN 1 .. last LOOP
    CASE get_byte(data, place)
      WHEN ascii('t') THEN
        length := naytife_migration.int32(data, place + 1);
        IF columns[i] IS NOT NULL THEN
          key := key || jsonb_build_object(columns[i], convert_from(substring(data FROM place + 6 FOR length), 'UTF8'));
        END IF;
        place := place + 5 + length;
      WHEN ascii('n') THEN
        place := place + 1;
      WHEN ascii('u') THEN
        IF columns[i] IS NOT NULL THEN key := NULL; END IF;
        place := place + 1;
      ELSE
        RAISE 'the stream of changes has a value of a kind that is not known';
    END CASE;
  END LOOP;
END
$body$;

-- Adds what the messages in pg_temp.message changed to naytife_migration.change.
CREATE OR REPLACE FUNCTION naytife_migration.record_changes(target text) RETURNS void LANGUAGE plpgsql AS $body$
DECLARE
  data bytea;
  id bigint;
  place int;
  ends int;
  many int;
  last int;
  -- The relation whose name and columns are at hand.
  known bigint;
  name text;
  old_key jsonb;
  new_key jsonb;
  words text[];
  columns text[];
  -- By the relation's id, which the stream tells before the first change of it.
  relations jsonb := '{}';
BEGIN
  FOR data IN SELECT m.data FROM pg_temp.message AS m ORDER BY number LOOP
    CASE chr(get_byte(data, 0))
      WHEN 'R' THEN
        id := naytife_migration.int32(data, 1);
        place := 5;
        words := '{}';
        FOR i IN 1 .. 2 LOOP
          ends := position('\x00'::bytea IN substring(data FROM place + 1));
          words := words || convert_from(substring(data FROM place + 1 FOR ends - 1), 'UTF8');
          place := place + ends;
        END LOOP;
        many := naytife_migration.int16(data, place + 1);
        place := place + 3;
        columns := '{}';
        last := 0;
        FOR i IN 1 .. many LOOP
          ends := position('\x00'::bytea IN substring(data FROM place + 2));
          -- Up to the last one of the key: nothing behind it need be read.
          columns := array_append(columns, CASE WHEN get_byte(data, place) & 1 = 1 THEN convert_from(substring(data FROM place + 2 FOR ends - 1), 'UTF8') END);
          IF columns[i] IS NOT NULL THEN last := i; END IF;
          place := place + 1 + ends + 8;
        END LOOP;
        relations := relations || jsonb_build_object(id, jsonb_build_object('name', format('%I.%I', words[1], words[2]), 'columns', columns[1:last]));
        known := NULL;
      WHEN 'I', 'U', 'D' THEN
        id := naytife_migration.int32(data, 1);
        IF id IS DISTINCT FROM known THEN
          known := id;
          name := relations -> id::text ->> 'name';
          columns := ARRAY(SELECT jsonb_array_elements_text(relations -> id::text -> 'columns'));
        END IF;
        place := 5;
        IF chr(get_byte(data, place)) <> 'N' THEN
          SELECT k.place, k.key INTO place, old_key FROM naytife_migration.key_in(data, place + 1, columns, true) AS k;
          INSERT INTO naytife_migration.change VALUES (target, name, old_key);
        END IF;
        IF chr(get_byte(data, 0)) <> 'D' THEN
          SELECT k.key INTO new_key FROM naytife_migration.key_in(data, place + 1, columns, false) AS k;
          INSERT INTO naytife_migration.change VALUES (target, name, new_key);
        END IF;
      WHEN 'T' THEN
        FOR i IN 0 .. naytife_migration.int32(data, 1) - 1 LOOP
          INSERT INTO naytife_migration.change VALUES (target, relations -> (naytife_migration.int32(data, 6 + 4 * i))::text ->> 'name', NULL);
        END LOOP;
      ELSE
        -- Where a transaction begins and ends, and types.
        NULL;
    END CASE;
  END LOOP;
END
$body$;

-- What changed up to `upto`, in pieces of five hundred keys that one statement finds; without keys where all rows of the table may have.
CREATE OR REPLACE FUNCTION naytife_migration.changed_pieces(target text, upto bigint) RETURNS TABLE (relation text, part bigint, keys jsonb) LANGUAGE sql STABLE AS $body$
  WITH relation AS (
    SELECT c.relation, bool_or(key IS NULL) AS whole FROM naytife_migration.change c WHERE target_database = target GROUP BY 1
  )
  SELECT r.relation, 0, NULL::jsonb FROM relation r WHERE whole
  UNION ALL
  SELECT k.relation, k.part, jsonb_agg(k.key)
    FROM (SELECT d.relation, d.key, (row_number() OVER (PARTITION BY d.relation ORDER BY d.key) - 1) / 500 AS part
            FROM (SELECT DISTINCT c.relation, c.key FROM naytife_migration.change c JOIN relation r USING (relation) WHERE target_database = target AND NOT whole AND number <= upto) AS d) AS k
   GROUP BY 1, 2
$body$;
