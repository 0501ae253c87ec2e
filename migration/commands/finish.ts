import { MigrationFailure, nothingChanged } from "../engine/failure";
import { found, Kubernetes, patiently } from "../engine/kubernetes";
import { labels, objectNames } from "../engine/manifests";
import { type MigrationRecord, readRecord, recordSchema, retention } from "../engine/record";
import { literal, type Settings } from "../engine/settings";
import { refuseBesideJob } from "./beside-job";
import { type Legacy, legacy } from "./legacy";

/**
 * Ends the time in which `rollback` can go back: deletes the dump, and records that the way back is closed. What is not the program's, the old Deployment
 * above all, is left as it is, and named.
 *
 * @returns exit code: 0, or 2 where it is not confirmed yet
 */
export async function finish(
  settings: Settings,
  options: { readonly yes: boolean; readonly now: boolean },
): Promise<number> {
  const kubernetes = new Kubernetes(settings);
  await kubernetes.presentCluster();
  const { namespace, target } = settings;
  const record = await readRecord(kubernetes, target.database);
  const refusal = notYet(record, settings.retainDays, options.now ? undefined : new Date());
  if (refusal !== undefined) throw refusal;
  await refuseBesideJob(kubernetes, settings);
  const dump = await ownDump(kubernetes, settings);
  const over = record.marker?.retain_ended != null && dump === undefined;
  const old = await legacy(kubernetes, settings);
  if (!over) process.stderr.write(whatGoes(settings, dump));
  if (!over && !options.yes) {
    process.stderr.write(
      `${thrownAwayByYou(settings, old)}Nothing was changed. To do it: npm run migration -- finish ${options.now ? "--now " : ""}--yes\n`,
    );
    return 2;
  }
  // First: from here on no rollback begins, and one that began meanwhile does not make its switch.
  const ended = await kubernetes.control(
    "SET client_min_messages = warning",
    recordSchema(),
    `UPDATE naytife_migration.marker SET retain_ended = coalesce(retain_ended, clock_timestamp())
      WHERE target_database = ${literal(target.database)} AND rolled_back IS NULL RETURNING 'ended'`,
  );
  if (ended !== "ended") {
    throw new MigrationFailure(
      "a rollback was made meanwhile: the old database is in use",
      nothingChanged,
      "`npm run migration -- status` says how it stands.",
    );
  }
  if (dump !== undefined) {
    await found(patiently(() => kubernetes.core.deleteNamespacedPersistentVolumeClaim({ name: dump.name, namespace })));
  }
  process.stdout.write(`The migration is finished: there is no way back.\n${thrownAwayByYou(settings, old)}`);
  return 0;
}

/**
 * Why the way back may not be ended.
 *
 * @param now undefined: whatever the time is
 */
export function notYet(record: MigrationRecord, days: number, now: Date | undefined): MigrationFailure | undefined {
  const { marker, state } = record;
  const refusal = (what: string, next: string) => new MigrationFailure(what, nothingChanged, next);
  if (marker === null)
    return refusal("no migration has finished, so there is no way back to end", "`pulumi up` moves the data.");
  if (marker.rolled_back != null) {
    return refusal(
      `the migration was rolled back at ${marker.rolled_back}: the old database is in use`,
      "`npm run migration -- again` prepares to move once more.",
    );
  }
  if (state?.target_closed != null) {
    return refusal(
      "a rollback was begun and has not come to its end, and the new database is closed to clients",
      "`npm run migration -- rollback` goes on, or, where it cannot, opens the new database again.",
    );
  }
  const { retainedUntil } = retention(record, days);
  if (now === undefined || retainedUntil === undefined || now.getTime() >= Date.parse(retainedUntil)) return undefined;
  return refusal(
    `the way back is kept until ${retainedUntil} (migrationRetainDays ${days})`,
    "Run this again then, or end it now: npm run migration -- finish --now",
  );
}

/** The dump's volume, where it is there and this migration's. */
async function ownDump({ core }: Kubernetes, settings: Settings): Promise<Dump | undefined> {
  const { namespace } = settings;
  const name = objectNames(settings).dump;
  const claim = await found(patiently(() => core.readNamespacedPersistentVolumeClaim({ name, namespace })));
  const ours = Object.entries(labels(settings)).every(([key, value]) => claim?.metadata?.labels?.[key] === value);
  if (claim === undefined || !ours) return undefined;
  return { name, size: claim.spec?.resources?.requests?.storage ?? "?", volume: claim.spec?.volumeName };
}

interface Dump {
  readonly name: string;
  readonly size: string;
  /** The PersistentVolume, once there is one. */
  readonly volume: string | undefined;
}

function whatGoes({ source, target }: Settings, dump: Dump | undefined): string {
  return [
    "What goes for good:",
    `  the way back: what is written to database ${target.database} of Cluster ${target.cluster} cannot be carried into the old one any more`,
    ...(dump === undefined
      ? []
      : [
          `  the dump of the cut-over: PersistentVolumeClaim ${dump.name} (${dump.size}); copy it first if it is to be kept`,
          ...(dump.volume === undefined
            ? []
            : [`    (where its class says Retain, the disk stays: PersistentVolume ${dump.volume})`]),
        ]),
    "What stays:",
    "  the record that this database was migrated, the report and the key that signs it: no `up` moves anything again",
    `  the old database ${source.database} at ${source.host}:${source.port}, frozen and closed as it is: it is not this program's to delete`,
    "",
  ].join("\n");
}

/** The commands by which the reader deletes what is left of the old database. */
export function thrownAwayByYou({ namespace, source }: Settings, old: Legacy): string {
  const remove = (kind: string, objects: readonly string[]) =>
    objects.map((name) => `  kubectl -n ${namespace} delete ${kind} ${name}`);
  const commands = [
    ...remove("deployment", old.deployments),
    ...remove("service", old.service === undefined ? [] : [old.service]),
    ...remove("persistentvolumeclaim", old.volumeClaims),
    ...remove("secret", old.secret === undefined ? [] : [old.secret]),
  ];
  if (old.deployments.length === 0) {
    return [
      `No Deployment of namespace ${namespace} stands behind ${source.host}: what runs the old database, if it still runs, is yours to find and to end.`,
      ...(commands.length === 0 ? [] : ["What is left of it here, if nothing else uses it:", ...commands]),
      "",
    ].join("\n");
  }
  return [
    `To throw the old database away, with its data as of the cut-over${old.volumeClaims.length === 0 ? " (it is on no volume of its own, and goes with the pod)" : ""}, if nothing else uses these:`,
    ...commands,
    "",
  ].join("\n");
}
