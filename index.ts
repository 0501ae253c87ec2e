import * as fs from "node:fs";
import * as path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { ArchivingCheck } from "./backup/archiving-check";
import { Archive, BackupSchedule } from "./components/backups";
import { BarmanPlugin } from "./components/barman-plugin";
import { backupBucket } from "./components/bucket";
import { Cluster, clusterSize } from "./components/cluster";
import { Connection } from "./components/connection";
import { Credentials } from "./components/credentials";
import { kubernetesProvider } from "./components/kubernetes-provider";
import { readManifest } from "./components/manifest";
import { Monitoring, MonitoringTargets } from "./components/monitoring";
import { archiveFolder, caSecret } from "./components/names";
import { Namespace } from "./components/namespace";
import { Operator } from "./components/operator";
import { Pooler } from "./components/pooler";
import { Storage } from "./components/storage";
import { backupPluginManifest, loadConfig, operatorManifest } from "./config";
import { archiveDescription, clusterDescription, pluginDescription, poolerDescription } from "./descriptions";
import { RestoreDrill } from "./drill/drill";
import { drillNames, metricsKey } from "./drill/names";
import { drillDescription } from "./drill/settings";
import { Growth } from "./migration/growth";
import { Migration } from "./migration/migration";
import { migrationSettings, sourceWatchName } from "./migration/settings";
import { sourceConnection } from "./migration/source-connection";
import { SourceWatch } from "./migration/source-watch";
import { monitoringSettings } from "./monitoring/configuration";
import { configuredRecovery, recoverySource } from "./recovery/settings";
import { RecoverySourceCheck } from "./recovery/source-check";
import { refuseHarmfulUpdate } from "./recovery/update-check";

/** Those of the parts that the stack has. */
function existing(...parts: (pulumi.Resource | undefined)[]): pulumi.Resource[] {
  return parts.filter((part) => part !== undefined);
}

/** The whole program. Pulumi calls it with the stack's configuration in place; its result is the stack's outputs. */
async function naytifePostgres(): Promise<pulumi.Inputs> {
  const config = loadConfig();
  await refuseHarmfulUpdate(config);
  const { namespace: namespaceName, protect, retainOnDelete } = config;
  const operatorSource =
    config.operatorManifest === ""
      ? { chart: { version: config.operatorChartVersion, image: config.operatorImage } }
      : { manifest: await readManifest(operatorManifest(config)) };
  const pluginManifest = config.backupStore === "none" ? undefined : await readManifest(backupPluginManifest(config));
  const serverName = archiveFolder(config);

  const provider = kubernetesProvider("kubernetes", { kubeconfig: config.kubeconfig, context: config.kubeContext });
  const operator = new Operator("operator", { source: operatorSource, retainOnDelete }, { provider });
  const storage = new Storage("storage", { storageClass: config.storageClass, retainOnDelete }, { provider });
  const { name: namespace } = new Namespace("namespace", { name: namespaceName, protect }, { provider });
  const credentials = new Credentials(
    "credentials",
    { namespace, username: config.databaseUser, password: config.databasePassword, protect, retainOnDelete },
    { provider },
  );

  const bucket = backupBucket("bucket", config, { namespace, storageClass: storage.storageClass }, { provider });
  const plugin =
    pluginManifest &&
    new BarmanPlugin(
      "backup-plugin",
      { manifest: pluginManifest, ...pluginDescription(config), retainOnDelete },
      { provider, dependsOn: [operator.namespace] },
    );
  const archive =
    bucket &&
    new Archive(
      "archive",
      { namespace, bucket, serverName, ...archiveDescription(config), retainOnDelete },
      { provider, dependsOn: existing(plugin) },
    );

  const drills = archive !== undefined && config.drill;
  const watched = monitoringSettings(config, {
    backups: archive !== undefined,
    drillCronJob: drills ? drillNames.drill : undefined,
    sourceWatch: sourceWatchName(config),
  });
  const targets = config.monitoringEnabled
    ? new MonitoringTargets(
        "monitoring-targets",
        {
          namespace,
          settings: watched,
          scrapeSeconds: config.monitoringScrapeSeconds,
          labels: config.monitoringLabels,
        },
        { provider },
      )
    : undefined;

  const recovery = configuredRecovery(config, pulumi.getStack());
  const settings = migrationSettings(config);
  const source =
    archive &&
    recovery &&
    new RecoverySourceCheck(
      "recovery-source",
      { objectStore: archive.uid, recovery, deadline: config.backupArchivingDeadline, settings },
      { dependsOn: [archive] },
    );
  const cluster = new Cluster(
    "cluster",
    {
      ...clusterDescription(config),
      name: config.clusterName,
      namespace,
      storageClass: storage.storageClass,
      credentialsSecret: credentials.secretName,
      archive: archive?.plugin,
      sidecarRevision: archive?.sidecarRevision,
      recovery: recoverySource(config),
      customQueries: [
        ...(targets === undefined ? [] : [targets.queries]),
        ...(drills ? [{ name: drillNames.metrics, key: metricsKey }] : []),
      ],
      metricsTls: targets !== undefined && config.monitoringTls,
      // Made for its load, it need not wait for replicas first; one that is there keeps those that it has.
      growsLater: config.migrationEnabled,
      protect,
      retainOnDelete,
    },
    { provider, dependsOn: existing(operator, archive, source) },
  );
  const pooler = new Pooler(
    "pooler",
    { namespace, namespaceName, cluster: cluster.name, ...poolerDescription(config) },
    { provider, dependsOn: [operator, cluster] },
  );
  const monitoring = config.monitoringEnabled
    ? new Monitoring(
        "monitoring",
        {
          namespace,
          settings: watched,
          labels: config.monitoringLabels,
          dashboardLabels: config.monitoringDashboardLabels,
        },
        // Rules that look for a database which is being made would wake somebody.
        { provider, dependsOn: [cluster, pooler] },
      )
    : undefined;

  const archiving =
    bucket &&
    new ArchivingCheck(
      "archiving",
      { cluster: cluster.uid, bucket, serverName, deadline: config.backupArchivingDeadline, settings },
      { dependsOn: [cluster] },
    );
  const migration = config.migrationEnabled
    ? new Migration("migration", settings, config.activeDatabase, {
        dependsOn: existing(cluster, archiving, config.migrationAlias ? pooler : undefined),
      })
    : undefined;
  if (migration && watched.watched.sourceWatch !== undefined) {
    new SourceWatch(
      "source-watch",
      { namespace, cronJob: watched.watched.sourceWatch, settings, image: config.postgresImage },
      // Before, it is open as it should be.
      { provider, dependsOn: [migration] },
    );
  }
  // The first base backup begins when the data is there.
  const schedule =
    archive &&
    new BackupSchedule(
      "backup-schedule",
      {
        namespace,
        cluster: cluster.name,
        schedule: config.backupSchedule,
        target: config.backupTarget,
        retainOnDelete,
      },
      { provider, dependsOn: existing(cluster, archiving, migration) },
    );
  const growth =
    migration &&
    new Growth(
      "growth",
      {
        namespace,
        cluster: cluster.name,
        size: clusterSize(config),
        settings,
        backup: schedule && { target: config.backupTarget },
      },
      { provider, dependsOn: existing(migration, schedule) },
    );
  const drill = drills
    ? new RestoreDrill(
        "restore-drill",
        {
          ...drillDescription(config),
          namespaceName: namespace,
          clusterName: cluster.name,
          clusterSpec: cluster.spec,
          storageClass: config.storageClass,
          archive: { objectStore: archive.plugin.parameters.barmanObjectName, serverName },
          owner: config.databaseUser,
          credentialsSecret: credentials.secretName,
        },
        { provider, dependsOn: existing(cluster, migration) },
      )
    : undefined;

  const inUse =
    config.activeDatabase === "source"
      ? sourceConnection(settings, { provider })
      : {
          pooled: pooler,
          direct: cluster,
          database: config.databaseName,
          username: credentials.username,
          password: credentials.password,
        };
  const connection = new Connection(
    "connection",
    { namespace, ...inUse, protect },
    // Nobody is told where the database is before its data is there and commits wait for replicas as configured. Nobody waits for the last
    // of the replicas, however: copying it may take long, and the shop is closed. A destroy begins here, and is refused here where it is protected.
    { provider, dependsOn: existing(pooler, growth?.size, schedule, drill, monitoring) },
  );

  return {
    DATABASE_URL: connection.url,
    DATABASE_URL_DIRECT: connection.directUrl,
    databaseHost: inUse.pooled.host,
    databasePort: inUse.pooled.port,
    databaseDirectHost: inUse.direct.host,
    databaseName: inUse.database,
    databaseUser: inUse.username,
    databaseNamespace: namespace,
    databaseCredentialsSecretName: credentials.secretName,
    databaseConnectionSecretName: connection.secretName,
    ...(bucket && { backupDestination: bucket.destinationPath }),
    databaseCaSecretName: caSecret(config.clusterName),
    ...(migration && { migrationReport: migration.report }),
    ...(growth && { migrationTimeToSafe: growth.timeToSafe }),
    readme: fs.readFileSync(path.join(__dirname, "Pulumi.README.md"), "utf8"),
  };
}

export = naytifePostgres;
