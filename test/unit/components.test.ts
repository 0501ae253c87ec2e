import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { Connection } from "../../components/connection";
import { Credentials, type CredentialsArgs } from "../../components/credentials";
import { kubernetesProvider } from "../../components/kubernetes-provider";
import { Namespace } from "../../components/namespace";
import { Storage } from "../../components/storage";
import { isWebhookAway } from "../../components/webhook-retry";
import { isSecret, mockPassword, record, Secret, unknown_, valueOf } from "../recording";

const provider = (): kubernetes.Provider => new kubernetes.Provider("kubernetes", {});

/** The texts of a Secret's data, which must be marked secret. */
function secretTexts(data: unknown): Record<string, string> {
  if (!(data instanceof Secret)) {
    throw new Error("the data is not marked secret");
  }
  return Object.fromEntries(
    Object.entries(data.value as Record<string, string>).map(([key, value]) => [
      key,
      Buffer.from(value, "base64").toString("utf8"),
    ]),
  );
}

describe("the provider", () => {
  const type = "pulumi:providers:kubernetes";

  test("keeps the database when the server's address changes, updates Secrets in place, adopts what is there", async () => {
    const recording = await record(() => kubernetesProvider("kubernetes", { kubeconfig: "", context: "" }), {
      stack: "staging",
    });
    expect(recording.get(type).inputs).toEqual({
      clusterIdentifier: "naytife-postgres-staging",
      enableSecretMutable: "true",
      enableConfigMapMutable: "true",
      upsertExistingObjects: "true",
      enablePatchForce: "true",
    });
  });

  test("takes kubeconfig and context where they are given", async () => {
    const recording = await record(() => kubernetesProvider("kubernetes", { kubeconfig: "/k", context: "oke" }));
    expect(recording.get(type).inputs).toMatchObject({ kubeconfig: "/k", context: "oke" });
  });
});

test.each([true, false])("a destroy leaves the namespace, protected or not: %p", async (protect) => {
  const recording = await record(
    () => new Namespace("namespace", { name: "naytife", protect }, { provider: provider() }),
  );
  const namespace = recording.get("kubernetes:core/v1:Namespace");
  expect(namespace).toMatchObject({ protect, retainOnDelete: true, inputs: { metadata: { name: "naytife" } } });
});

describe("storage", () => {
  const type = "kubernetes:storage.k8s.io/v1:StorageClass";

  test("OCI's volumes grow, and outlive their claims; the driver gets no parameter that it does not know", async () => {
    const recording = await record(
      () =>
        new Storage("storage", { storageClass: "cnpg-oci-storage", retainOnDelete: true }, { provider: provider() }),
    );
    expect(recording.get(type)).toMatchObject({ name: "cnpg-oci-storage", retainOnDelete: true });
    expect(recording.get(type).inputs).toMatchObject({
      provisioner: "blockvolume.csi.oraclecloud.com",
      parameters: { "csi.storage.k8s.io/fstype": "ext4" },
      volumeBindingMode: "WaitForFirstConsumer",
      reclaimPolicy: "Retain",
      allowVolumeExpansion: true,
    });
    expect(recording.get(type).inputs.parameters).not.toHaveProperty("replicaCount");
  });

  test("local volumes go with their claims", async () => {
    const recording = await record(
      () =>
        new Storage("storage", { storageClass: "cnpg-local-storage", retainOnDelete: false }, { provider: provider() }),
    );
    expect(recording.ofType(type)).toHaveLength(1);
    expect(recording.get(type).inputs).toMatchObject({
      provisioner: "rancher.io/local-path",
      volumeBindingMode: "WaitForFirstConsumer",
      reclaimPolicy: "Delete",
    });
  });
});

describe("credentials", () => {
  const secretType = "kubernetes:core/v1:Secret";
  const passwordType = "random:index/randomPassword:RandomPassword";
  const run = (args: Partial<CredentialsArgs> = {}, preview = false) =>
    record(
      () =>
        new Credentials(
          "credentials",
          {
            namespace: "naytife",
            username: "naytife",
            password: undefined,
            protect: true,
            retainOnDelete: true,
            ...args,
          },
          { provider: provider() },
        ),
      { preview },
    );

  test("a random password is made once, and kept whatever becomes of its rules", async () => {
    const password = (await run()).get(passwordType);
    expect(password).toMatchObject({ protect: true, ignoreChanges: ["length", "special"] });
    expect(password.inputs).not.toHaveProperty("keepers");
  });

  test("the Secret is what the operator and its webhook take, and is reloaded when it changes", async () => {
    const secret = (await run()).get(secretType);
    expect(secret.inputs).toMatchObject({
      type: "kubernetes.io/basic-auth",
      metadata: { name: "cnpg-cluster-secret", namespace: "naytife", labels: { "cnpg.io/reload": "true" } },
    });
    expect(secret.retainOnDelete).toBe(true);
    expect(secretTexts(secret.inputs.data)).toEqual({ username: "naytife", password: mockPassword });
  });

  test("a given password is taken over, and none is made", async () => {
    const recording = await run({ password: pulumi.secret("the one in use") });
    expect(recording.ofType(passwordType)).toEqual([]);
    expect(secretTexts(recording.get(secretType).inputs.data).password).toBe("the one in use");
    expect(await isSecret(recording.result.password)).toBe(true);
  });

  test("a preview does not know the password yet, and still marks it secret", async () => {
    const recording = await run({}, true);
    expect(await valueOf(recording.result.password)).toBe(unknown_);
    expect(await isSecret(recording.result.password)).toBe(true);
  });
});

test("a connection gives pods and outputs the same URLs, and both are secret", async () => {
  const recording = await record(
    () =>
      new Connection(
        "connection",
        {
          namespace: "naytife",
          pooled: { host: "pooler.naytife.svc", port: 5432 },
          direct: { host: "primary.naytife.svc", port: 5432 },
          database: "naytifedb",
          username: "naytife",
          password: "p@ss",
          protect: true,
        },
        { provider: provider() },
      ),
  );
  const url = "postgresql://naytife:p%40ss@pooler.naytife.svc:5432/naytifedb?sslmode=require";
  const directUrl = "postgresql://naytife:p%40ss@primary.naytife.svc:5432/naytifedb?sslmode=require";
  const secret = recording.get("kubernetes:core/v1:Secret");
  expect(secret.inputs.metadata).toMatchObject({ name: "naytife-postgres-connection", namespace: "naytife" });
  expect(secretTexts(secret.inputs.data)).toEqual({
    DATABASE_URL: url,
    DATABASE_URL_DIRECT: directUrl,
    host: "pooler.naytife.svc",
    port: "5432",
    database: "naytifedb",
    username: "naytife",
    password: "p@ss",
  });
  expect(await valueOf(recording.result.url)).toBe(url);
  expect(await valueOf(recording.result.directUrl)).toBe(directUrl);
  expect(await isSecret(recording.result.url)).toBe(true);
  expect(await isSecret(recording.result.directUrl)).toBe(true);
});

test("a webhook that is away is told from one that refuses", () => {
  const away =
    'Internal error occurred: failed calling webhook "mcluster.cnpg.io": failed to call webhook: ' +
    'Post "https://cnpg-webhook-service.cnpg-system.svc:443/mutate": dial tcp 10.96.0.7:443: connect: connection refused';
  const refused =
    'admission webhook "vcluster.cnpg.io" denied the request: Cluster.postgresql.cnpg.io "x" is invalid: spec.instances';
  expect(isWebhookAway(away)).toBe(true);
  expect(isWebhookAway(refused)).toBe(false);
});
