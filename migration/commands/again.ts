import { programAgrees, releaseSecret } from "../engine/connection-secret";
import { MigrationFailure, nothingChanged } from "../engine/failure";
import { Kubernetes } from "../engine/kubernetes";
import { readRecord } from "../engine/record";
import { literal, type Settings } from "../engine/settings";
import { refuseBesideJob } from "./beside-job";

/**
 * After a rollback: empties the new database, and forgets the migration that filled it, so that the next `up` moves the data once more.
 *
 * @returns exit code: 0, or 2 where it is not confirmed yet
 */
export async function again(settings: Settings, options: { readonly yes: boolean }): Promise<number> {
  const kubernetes = new Kubernetes(settings);
  await kubernetes.presentCluster();
  const { target } = settings;
  const { marker } = await readRecord(kubernetes, target.database);
  if (marker?.rolled_back == null) {
    throw new MigrationFailure(
      marker === null ? "no migration has finished" : "the new database is in use",
      nothingChanged,
      marker === null
        ? "`pulumi up` moves the data."
        : "`npm run migration -- rollback` first: this command empties it.",
    );
  }
  if (!(await programAgrees(kubernetes, settings))) {
    throw new MigrationFailure(
      "no `pulumi up` has run with activeDatabase source since the rollback",
      nothingChanged,
      "pulumi config set activeDatabase source && pulumi up, then run this again: the data moves once more when activeDatabase turns back.",
    );
  }
  await refuseBesideJob(kubernetes, settings);
  process.stderr.write(
    [
      "What goes:",
      `  database ${target.database} of Cluster ${target.cluster}, as it was when it was rolled back (${marker.rolled_back}); the old database has all of it`,
      "  the record of that migration and of its rollback",
      "The next migration deletes the dump of the first.",
      "",
    ].join("\n"),
  );
  if (!options.yes) {
    process.stderr.write("Nothing was changed. To do it: npm run migration -- again --yes\n");
    return 2;
  }
  const database = literal(target.database);
  // As it was made: the next migration takes encoding and locale from it.
  const create = await kubernetes.control(
    `SELECT format('CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING %L LC_COLLATE %L LC_CTYPE %L %s', ${database}, ${literal(target.owner)},
       pg_encoding_to_char(encoding), datcollate, datctype, CASE datlocprovider
         WHEN 'b' THEN format('LOCALE_PROVIDER builtin BUILTIN_LOCALE %L', datlocale)
         WHEN 'i' THEN format('LOCALE_PROVIDER icu ICU_LOCALE %L', datlocale) || coalesce(format(' ICU_RULES %L', daticurules), '')
         ELSE 'LOCALE_PROVIDER libc' END)
       FROM pg_database WHERE datname IN (${database}, 'template1') ORDER BY datname = 'template1' LIMIT 1`,
  );
  const identifier = `"${target.database.replaceAll('"', '""')}"`;
  await kubernetes.control(`DROP DATABASE IF EXISTS ${identifier} WITH (FORCE)`);
  await kubernetes.control(create);
  await releaseSecret(kubernetes, settings);
  // Last: until then this command can be repeated.
  await kubernetes.control(
    "BEGIN",
    ...["marker", "state", "phase"].map(
      (table) => `DELETE FROM naytife_migration.${table} WHERE target_database = ${database}`,
    ),
    "COMMIT",
  );
  process.stdout.write(
    "The new database is empty. Next: pulumi config set activeDatabase target && pulumi up, which moves the data once more.\n",
  );
  return 0;
}
