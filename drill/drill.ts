import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import type { ClusterSpec } from "../components/cluster";
import { secretData } from "../components/secret-data";
import { storageClasses, type StorageClassName } from "../components/storage";
import {
  cronJobSpec,
  databaseSpec,
  type DrillDescription,
  type DrilledArchive,
  metricsQueries,
  rights,
  roleSpec,
  scripts,
  throwAwayCluster,
} from "./manifests";
import { drillNames, drillRole, labels, metricsKey } from "./names";

/** Arguments of {@link RestoreDrill}. */
export interface RestoreDrillArgs extends DrillDescription {
  /** The namespace, known once it exists. */
  readonly namespaceName: pulumi.Input<string>;
  /** The Cluster, known once it is ready. */
  readonly clusterName: pulumi.Input<string>;
  /** What it is like. */
  readonly clusterSpec: ClusterSpec;
  /** StorageClass of its volumes. */
  readonly storageClass: StorageClassName;
  readonly archive: DrilledArchive;
  /** Owner of the database, and the Secret with the password. */
  readonly owner: string;
  readonly credentialsSecret: pulumi.Input<string>;
}

/** Restores the backups every week into a throw-away Cluster and compares, so that they are known to be good. */
export class RestoreDrill extends pulumi.ComponentResource {
  constructor(name: string, args: RestoreDrillArgs, options?: pulumi.ComponentResourceOptions) {
    super("naytife:postgres:RestoreDrill", name, {}, options);
    const metadata = (object: string) => ({ name: object, namespace: args.namespaceName, labels: { ...labels } });
    const parent = { parent: this };

    const role = this.password(`${name}-role`);
    const superuser = this.password(`${name}-superuser`);
    // Digits are hexadecimal ones: 32 bytes, of 212 bits of chance.
    const key = new random.RandomPassword(
      `${name}-signing`,
      { length: 64, lower: false, upper: false, special: false },
      parent,
    );
    const roleSecret = new kubernetes.core.v1.Secret(
      drillNames.role,
      {
        // The operator gives the role the new password when the Secret changes.
        metadata: { ...metadata(drillNames.role), labels: { ...labels, "cnpg.io/reload": "true" } },
        type: "kubernetes.io/basic-auth",
        data: secretData({ username: drillRole, password: role }),
      },
      parent,
    );
    const superuserSecret = new kubernetes.core.v1.Secret(
      drillNames.superuser,
      {
        metadata: metadata(drillNames.superuser),
        type: "kubernetes.io/basic-auth",
        data: secretData({ username: "postgres", password: superuser }),
      },
      parent,
    );
    const signingSecret = new kubernetes.core.v1.Secret(
      drillNames.signing,
      { metadata: metadata(drillNames.signing), type: "Opaque", data: secretData({ key: key.result }) },
      parent,
    );

    // Both are bound to one Cluster for good; another one has its own. The operator applies them when it can, and nobody waits for that but the drill.
    const ofCluster = `${args.cluster}-drill`;
    const databaseRole = new kubernetes.apiextensions.CustomResource(
      `${ofCluster}-role`,
      {
        apiVersion: "postgresql.cnpg.io/v1",
        kind: "DatabaseRole",
        metadata: metadata(ofCluster),
        spec: roleSpec(args.clusterName),
      },
      { ...parent, dependsOn: [roleSecret] },
    );
    const database = new kubernetes.apiextensions.CustomResource(
      `${ofCluster}-database`,
      {
        apiVersion: "postgresql.cnpg.io/v1",
        kind: "Database",
        metadata: metadata(ofCluster),
        spec: databaseSpec(args.clusterName),
      },
      { ...parent, dependsOn: [databaseRole] },
    );

    new kubernetes.core.v1.ConfigMap(
      drillNames.metrics,
      {
        // The operator reads it anew when it changes.
        metadata: { ...metadata(drillNames.metrics), labels: { ...labels, "cnpg.io/reload": "true" } },
        data: { [metricsKey]: metricsQueries() },
      },
      parent,
    );

    const storage = { ...args.clusterSpec.storage, storageClass: this.storageClass(args) };
    const copy = throwAwayCluster(args, { ...args.clusterSpec, storage }, args.archive, {
      database: args.database,
      owner: args.owner,
      secret: args.credentialsSecret,
    });
    const scriptsMap = new kubernetes.core.v1.ConfigMap(
      drillNames.drill,
      { metadata: metadata(drillNames.drill), data: { ...scripts(), "copy.json": pulumi.jsonStringify(copy) } },
      parent,
    );
    const account = new kubernetes.core.v1.ServiceAccount(
      drillNames.drill,
      { metadata: metadata(drillNames.drill) },
      parent,
    );
    const permissions = new kubernetes.rbac.v1.Role(
      drillNames.drill,
      { metadata: metadata(drillNames.drill), rules: rights },
      parent,
    );
    const binding = new kubernetes.rbac.v1.RoleBinding(
      drillNames.drill,
      {
        metadata: metadata(drillNames.drill),
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: permissions.metadata.name },
        subjects: [{ kind: "ServiceAccount", name: account.metadata.name, namespace: args.namespaceName }],
      },
      parent,
    );
    new kubernetes.batch.v1.CronJob(
      drillNames.drill,
      { metadata: metadata(drillNames.drill), spec: cronJobSpec(args) },
      { ...parent, dependsOn: [database, superuserSecret, signingSecret, scriptsMap, binding] },
    );
    this.registerOutputs({});
  }

  /** The class whose volumes go with their claims. One that keeps them would leave a volume behind each week. */
  private storageClass({ storageClass, clusterSpec }: RestoreDrillArgs): pulumi.Input<string> {
    const likeness = storageClasses[storageClass];
    if (likeness.reclaimPolicy === "Delete") return clusterSpec.storage.storageClass;
    const name = `${storageClass}-throw-away`;
    return new kubernetes.storage.v1.StorageClass(
      name,
      { metadata: { name, labels: { ...labels } }, ...likeness, reclaimPolicy: "Delete" },
      { parent: this },
    ).metadata.name;
  }

  private password(name: string): pulumi.Output<string> {
    const password = new random.RandomPassword(name, { length: 32, special: false }, { parent: this });
    return pulumi.secret(password.result);
  }
}
