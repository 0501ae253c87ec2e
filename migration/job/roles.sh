# Roles, their settings, and what belongs to the database itself: none of it is in a dump.
# SQL that reads the source writes the statements for the target, and they go from psql to psql: no verifier touches a disk or a command line.
# shellcheck shell=bash

# kept_roles: JSON list of the source's roles that the target had before us. They keep the target's password and rights.
kept_roles() {
  sql target_admin -v owner="$TARGET_OWNER" <<<"SELECT json_agg(rolname) FROM pg_roles WHERE rolname = :'owner' OR rolname = 'naytife_migration' OR rolname ~ '^(pg_|cnpg_)' OR rolname NOT IN (SELECT name FROM naytife_migration.role);"
}

carry_roles() {
  local kept
  # What an earlier run of this migration made, if nothing needs it: made again below, unless the source has dropped it since.
  sql target_admin -v target="$TARGET_DATABASE" >/dev/null <<'SQL'
SELECT set_config('naytife_migration.target', :'target', false);
DO $migration$
DECLARE made text;
BEGIN
  FOR made IN SELECT name FROM naytife_migration.role
    WHERE run IN (SELECT run FROM naytife_migration.phase WHERE target_database = current_setting('naytife_migration.target')) LOOP
    BEGIN
      EXECUTE format('DROP ROLE IF EXISTS %I', made);
      DELETE FROM naytife_migration.role WHERE name = made;
    EXCEPTION WHEN dependent_objects_still_exist THEN NULL;
    END;
  END LOOP;
END
$migration$;
SQL
  sql source -v owner="$TARGET_OWNER" -v run="$RUN" -f "$SCRIPTS/roles.sql" | sql target_admin
  kept=$(kept_roles)
  caution_roles "$kept"
  sql source -v kept="$kept" -v owner="$TARGET_OWNER" -f "$SCRIPTS/memberships.sql" | sql target_admin
}

# caution_roles KEPT: what the roles lose on the way.
caution_roles() {
  local name names
  names=$(sql source -v kept="$1" -v owner="$TARGET_OWNER" <<<"SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> :'owner' AND rolname <> 'naytife_migration' AND rolname IN (SELECT json_array_elements_text(:'kept'));")
  while read -r name; do
    [[ -z $name ]] || caution "role $name exists on the target and stays as it is there; the source's password and rights of it are not carried"
  done <<<"$names"
  names=$(sql source -v kept="$1" -v owner="$TARGET_OWNER" -f "$SCRIPTS/withheld.sql")
  while read -r name; do
    [[ -z $name ]] || caution "$name is a right of the source that is not carried"
  done <<<"$names"
}

# carry_settings: settings of roles and of the database, its owner, rights, limit and comment, onto the staging database.
carry_settings() {
  local kept
  kept=$(kept_roles)
  sql source -v kept="$kept" -v owner="$TARGET_OWNER" -v staging="$STAGING" -f "$SCRIPTS/settings.sql" | sql target_admin >/dev/null
}
