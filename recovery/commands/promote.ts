import { setTimeout as sleep } from "node:timers/promises";
import { names } from "../../components/names";
import { backupSpec, type BackupTarget } from "../../components/backups";
import { found, patiently } from "../../migration/engine/kubernetes";
import { literal } from "../../migration/engine/settings";
import { quoteIdentifier } from "../../postgresql/identifier";
import { RecoveryFailure, refusal, words } from "../failure";
import { databaseOf } from "../manifest";
import { type Cluster, Objects, type Pooler, serves } from "../objects";
import { everyLocalRun, fateOfFormer, markPromoted, takeOver } from "../promotion";
import type { RecoverySettings } from "../settings";
import { connection, turn, turned } from "../switch";
import { commandLine, type Options } from "./options";

/**
 * Makes a recovered Cluster the application's database, or the former one again: the one in use until now takes no more writes, the Pooler and the Secret that
 * applications connect by turn. Before anything turns the Cluster is marked, so that no `pulumi up` with another one in the stack's configuration begins. Each
 * step is left out where it was done already, so that a command that was cut short is simply repeated.
 *
 * @returns exit code: 0, or 2 where it is not confirmed yet
 */
export async function promote(settings: RecoverySettings, name: string, options: Options): Promise<number> {
  const say = (line: string) => process.stderr.write(`[recover] ${line}\n`);
  const objects = new Objects(settings.stack);
  await objects.kubernetes.reach();
  const { cluster, pooler, data, former } = await ready(objects, settings, name);
  const { database, owner } = databaseOf(cluster.spec, {
    database: settings.stack.target.database,
    owner: settings.stack.target.owner,
    secret: settings.stack.target.secretName,
  });
  if (!options.yes) {
    process.stderr.write(
      [
        "What turns:",
        `  Pooler ${names.pooler}: made anew for Cluster ${name}; clients of it are cut off for some seconds`,
        `  Secret ${names.connectionSecret}: DATABASE_URL_DIRECT leads to ${name}`,
        ...(former === undefined
          ? []
          : [`  Cluster ${former.metadata.name}: its clients are cut off, and it is read-only from then on`]),
        `Nothing was changed. To do it: ${commandLine(options, `promote --as ${name} --yes`)}`,
        "",
      ].join("\n"),
    );
    return 2;
  }
  if (former !== undefined) {
    say(`Cluster ${former.metadata.name}: read-only from now on, clients of ${owner} are cut off`);
    await close(objects, former.metadata.name, database, owner);
  }
  await markPromoted(objects, name);
  say(`Cluster ${name}: promoted; \`pulumi up\` refuses to begin until the stack's configuration names it`);
  await reopen(objects, name, database);
  if (pooler.spec.cluster.name !== name) {
    say(`Pooler ${names.pooler}: made anew for ${name} …`);
    await turnPooler(objects, pooler, name, settings.wait);
  }
  await turn(objects, turned(data, name, objects.namespace));
  say(`Secret ${names.connectionSecret}: DATABASE_URL_DIRECT leads to ${name}`);
  const backup = await firstBackup(objects, name, settings.values.backupTarget);
  process.stdout.write(`Cluster ${name} is the application's database.\n`);
  process.stderr.write(nextSteps(settings, cluster, former, backup, options));
  return 0;
}

interface Ready {
  readonly cluster: Cluster;
  readonly pooler: Pooler;
  readonly data: Readonly<Record<string, string>>;
  /** The Cluster that applications write to until now, where it lives. */
  readonly former: Cluster | undefined;
}

/** @throws RecoveryFailure with everything that is in the way */
async function ready(objects: Objects, { values }: RecoverySettings, name: string): Promise<Ready> {
  const problems: string[] = [];
  const cluster = await objects.cluster(name);
  if (cluster === undefined) problems.push(`there is no Cluster ${name}`);
  else if (!serves(cluster) || cluster.status?.phase !== "Cluster in healthy state") {
    problems.push(`Cluster ${name} is not healthy: ${cluster.status?.phase ?? "it was only just made"}`);
  }
  const pooler = await objects.pooler(names.pooler);
  if (pooler === undefined) problems.push(`there is no Pooler ${names.pooler}`);
  const told = await connection(objects);
  if (told === undefined) problems.push(`there is no Secret ${names.connectionSecret}`);
  else if (told.cluster === undefined) {
    problems.push(
      `Secret ${names.connectionSecret} leads to no Cluster (activeDatabase ${values.activeDatabase}): recover where that database is`,
    );
  }
  if (problems.length > 0 || cluster === undefined || pooler === undefined || told === undefined) {
    throw refusal(problems, "`pulumi up` makes what is missing; then run this again.");
  }
  // A command that was cut short has turned the Pooler and not the Secret.
  const before = [told.cluster, pooler.spec.cluster.name, values.clusterName].find(
    (one) => one !== undefined && one !== name,
  );
  const former = before === undefined ? undefined : await objects.cluster(before);
  return { cluster, pooler, data: told.data, former: serves(former) ? former : undefined };
}

/** What its clients commit from now on would be lost. It can still be read, for what is to be carried over by hand. */
async function close(objects: Objects, former: string, database: string, owner: string): Promise<void> {
  try {
    await objects.in(former).control(
      // Its replicas may be what is wrong with it.
      "SET synchronous_commit = local",
      `ALTER DATABASE ${quoteIdentifier(database)} SET default_transaction_read_only = on`,
      `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = ${literal(database)} AND usename = ${literal(owner)}`,
    );
  } catch (error) {
    throw new RecoveryFailure(
      `Cluster ${former} could not be made read-only: ${words(error)}`,
      "Applications are led to it still.",
      `Stop it, and run the same command again: kubectl -n ${objects.namespace} annotate cluster.postgresql.cnpg.io ${former} cnpg.io/hibernation=on`,
    );
  }
}

/** It may have been closed itself once, or recovered from the archive of one that was. */
async function reopen(objects: Objects, name: string, database: string): Promise<void> {
  await objects.in(name).control(`ALTER DATABASE ${quoteIdentifier(database)} RESET default_transaction_read_only`);
}

/** The API does not let a Pooler's Cluster be changed: it is deleted and made anew, under the same name, and so the same host. */
async function turnPooler(objects: Objects, pooler: Pooler, cluster: string, seconds: number): Promise<void> {
  const { kubernetes, namespace } = objects;
  const { name, labels = {}, annotations: said = {} } = pooler.metadata;
  const body = {
    apiVersion: "postgresql.cnpg.io/v1",
    kind: "Pooler",
    metadata: { name, namespace, labels, annotations: said },
    spec: { ...pooler.spec, cluster: { name: cluster } },
  };
  // The operator makes the Deployment of a Pooler anew even while that is being deleted (internal/controller/pooler_controller.go), which would then never be gone.
  await objects.delete("poolers", name, "Background");
  const deadline = Date.now() + seconds * 1000;
  const later = (what: string) =>
    new RecoveryFailure(
      `${what} within ${seconds} s`,
      "The Secret leads to the former Cluster still, which is read-only.",
      "Run the same command again: it goes on.",
    );
  const labelSelector = `cnpg.io/poolerName=${name}`;
  // What is left of the former one would be taken over, and then taken away by Kubernetes' collector of garbage.
  while (await poolerIsThere(objects, name)) {
    if (Date.now() > deadline) throw later(`Pooler ${name} was asked to go and is not gone`);
    // PgBouncer would wait for its clients to leave, as long as Kubernetes lets it; nothing that they could still do is wanted.
    await patiently(() =>
      kubernetes.core.deleteCollectionNamespacedPod({ namespace, labelSelector, gracePeriodSeconds: 0 }),
    );
    await sleep(500);
  }
  await objects.create("poolers", body);
  for (;;) {
    const deployment = await found(patiently(() => kubernetes.apps.readNamespacedDeployment({ name, namespace })));
    const wanted = deployment?.spec?.replicas ?? 1;
    if ((deployment?.status?.readyReplicas ?? 0) >= wanted) return;
    if (Date.now() > deadline) throw later(`Pooler ${name} does not serve`);
    await sleep(500);
  }
}

/** Whether anything is left of a Pooler, or of what serves in its name. */
async function poolerIsThere(objects: Objects, name: string): Promise<boolean> {
  const { kubernetes, namespace } = objects;
  const [pooler, deployment, service, pods] = await Promise.all([
    objects.pooler(name),
    found(patiently(() => kubernetes.apps.readNamespacedDeployment({ name, namespace }))),
    found(patiently(() => kubernetes.core.readNamespacedService({ name, namespace }))),
    patiently(() => kubernetes.core.listNamespacedPod({ namespace, labelSelector: `cnpg.io/poolerName=${name}` })),
  ]);
  return pooler !== undefined || deployment !== undefined || service !== undefined || pods.items.length > 0;
}

/** Until it has a base backup of its own, what the new database takes from now on cannot be recovered. */
async function firstBackup(objects: Objects, cluster: string, target: BackupTarget): Promise<string> {
  const name = `${cluster}-first`;
  if ((await objects.backup(name)) === undefined) {
    await objects.create("backups", {
      apiVersion: "postgresql.cnpg.io/v1",
      kind: "Backup",
      metadata: { name, namespace: objects.namespace },
      spec: backupSpec(cluster, target),
    });
  }
  return name;
}

function nextSteps(
  { values }: RecoverySettings,
  cluster: Cluster,
  former: Cluster | undefined,
  backup: string,
  options: Options,
): string {
  const { name } = cluster.metadata;
  const steps = takeOver(options.stack, values, cluster);
  return [
    "Next:",
    ...(steps.length === 0
      ? ["  the stack's configuration says so already"]
      : [
          `  say so in the stack's configuration, which \`pulumi up\` refuses to begin without (${fateOfFormer(values)}):`,
          ...steps.map((step) => `    ${step}`),
        ]),
    ...everyLocalRun(options.stack, values, cluster).map((step) => `  ${step}`),
    "  applications that use DATABASE_URL_DIRECT and do not read the Secret anew: restart them",
    `  the first base backup of ${name} is being made: kubectl -n ${values.namespace} get backup ${backup}`,
    ...(former === undefined
      ? []
      : [
          `  what was written to ${former.metadata.name} after the recovered time is only there: read it, and carry over what is wanted`,
        ]),
    "",
  ].join("\n");
}
