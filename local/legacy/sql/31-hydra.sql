-- ORY Hydra's tables as the application's Hydra made them, cut down to what differs from the shop's.
\set ON_ERROR_STOP 1
CREATE SCHEMA hydra;
COMMENT ON SCHEMA hydra IS 'OAuth 2.0 server';
SET search_path = hydra, extensions;

CREATE TABLE networks (id uuid NOT NULL, created_at timestamp NOT NULL, updated_at timestamp NOT NULL);
CREATE TABLE hydra_client (
  id varchar(255) NOT NULL,
  nid uuid NOT NULL,
  pk uuid NOT NULL,
  client_name text NOT NULL,
  client_secret text NOT NULL,
  redirect_uris jsonb NOT NULL,
  grant_types text NOT NULL,
  scope text NOT NULL,
  metadata text NOT NULL DEFAULT '{}',
  skip_consent boolean NOT NULL DEFAULT false,
  access_token_strategy varchar(10) NOT NULL DEFAULT '',
  created_at timestamp NOT NULL DEFAULT now()
);
CREATE TABLE hydra_oauth2_consent_request (
  challenge varchar(40) NOT NULL,
  nid uuid NOT NULL,
  requested_scope text NOT NULL,
  subject varchar(255) NOT NULL,
  client_id varchar(255) NOT NULL,
  oidc_context jsonb NOT NULL DEFAULT '{}',
  requested_at timestamp NOT NULL
);
CREATE TABLE hydra_oauth2_access (
  signature varchar(255) NOT NULL,
  request_id varchar(40) NOT NULL,
  nid uuid NOT NULL,
  requested_at timestamp NOT NULL,
  client_id varchar(255) NOT NULL,
  scope text NOT NULL,
  granted_scope text NOT NULL,
  form_data text NOT NULL,
  session_data text NOT NULL,
  subject varchar(255) NOT NULL DEFAULT '',
  active boolean NOT NULL DEFAULT true,
  expires_at timestamp
) WITH (autovacuum_vacuum_cost_limit = 1000);
CREATE TABLE hydra_oauth2_refresh (
  LIKE hydra_oauth2_access INCLUDING DEFAULTS,
  first_used_at timestamp,
  used_times integer
);
CREATE TABLE hydra_oauth2_code (LIKE hydra_oauth2_access INCLUDING DEFAULTS, challenge_id varchar(40));
CREATE TABLE hydra_jwk (
  pk uuid NOT NULL,
  nid uuid NOT NULL,
  sid varchar(255) NOT NULL,
  kid varchar(255) NOT NULL,
  version integer NOT NULL DEFAULT 0,
  keydata text NOT NULL,
  created_at timestamp NOT NULL
);
