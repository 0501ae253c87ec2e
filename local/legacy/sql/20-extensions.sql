-- Contrib only: what both a plain postgres image and the operand image have.
\set ON_ERROR_STOP 1
CREATE SCHEMA extensions;
CREATE EXTENSION hstore SCHEMA extensions;
CREATE EXTENSION citext SCHEMA extensions;
CREATE EXTENSION pgcrypto SCHEMA extensions;
CREATE EXTENSION pg_trgm SCHEMA extensions;
CREATE EXTENSION btree_gist SCHEMA extensions;
CREATE EXTENSION btree_gin SCHEMA extensions;
CREATE EXTENSION ltree SCHEMA extensions;
CREATE EXTENSION intarray SCHEMA extensions;
CREATE EXTENSION unaccent SCHEMA extensions;
CREATE EXTENSION fuzzystrmatch SCHEMA extensions;
CREATE EXTENSION cube SCHEMA extensions;
CREATE EXTENSION "uuid-ossp" SCHEMA extensions;
CREATE EXTENSION tablefunc;
CREATE EXTENSION postgres_fdw;
COMMENT ON EXTENSION hstore IS 'Kept for the first shop''s settings';
COMMENT ON SCHEMA extensions IS 'Extensions, out of the way of the application''s names';
