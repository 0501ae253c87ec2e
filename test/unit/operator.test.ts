import * as crypto from "node:crypto";
import * as fs from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import * as kubernetes from "@pulumi/kubernetes";
import { Operator, type OperatorArgs } from "../../components/operator";
import { ManifestError, parseManifest, readManifest, type ManifestSource } from "../../components/manifest";
import { record, type Recording, type Registration } from "../recording";

const chart = {
  version: "0.29.1",
  image: `ghcr.io/cloudnative-pg/cloudnative-pg:1.30.1@sha256:${"a".repeat(64)}`,
};

/** A release manifest in small: something of each sort, in the order of the releases. */
const manifest = `
apiVersion: v1
kind: Namespace
metadata: { name: cnpg-system }
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: clusters.postgresql.cnpg.io }
spec: {}
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: cnpg-manager, namespace: cnpg-system }
---
apiVersion: v1
kind: Service
metadata: { name: cnpg-webhook-service, namespace: cnpg-system }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: cnpg-controller-manager, namespace: cnpg-system }
spec: {}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: { name: cnpg-validating-webhook-configuration }
`;

const named = { what: "operator", source: "test" };
const from = (source: string, sha256: string): ManifestSource => ({
  ...named,
  keys: { source: "operatorManifest", sha256: "operatorManifestSha256" },
  source,
  sha256,
});

function install(args: OperatorArgs): Promise<Recording<Operator>> {
  return record(() => {
    const provider = new kubernetes.Provider("kubernetes", {});
    return new Operator("operator", args, { provider });
  });
}

function fromManifest(): Promise<Recording<Operator>> {
  return install({ source: { manifest: parseManifest(manifest, named) }, retainOnDelete: false });
}

function children(recording: Recording<Operator>): Registration[] {
  return recording.registrations.filter(({ parent }) => parent !== "");
}

describe("from the chart", () => {
  test("one release of the pinned chart with the pinned image, and Pulumi waits for it", async () => {
    const release = (await install({ source: { chart }, retainOnDelete: true })).get("kubernetes:helm.sh/v3:Release");
    expect(release.inputs).toMatchObject({
      name: "cloudnative-pg",
      namespace: "cnpg-system",
      chart: "cloudnative-pg",
      version: "0.29.1",
      repositoryOpts: { repo: "https://cloudnative-pg.github.io/charts" },
      atomic: true,
      values: {
        crds: { create: true },
        image: { repository: "ghcr.io/cloudnative-pg/cloudnative-pg", tag: `1.30.1@sha256:${"a".repeat(64)}` },
      },
    });
    expect(release.inputs).not.toHaveProperty("skipAwait", true);
    // Accepted by the plan, known to neither the chart nor the operator.
    expect(release.inputs).not.toHaveProperty("values.monitoring.enabled");
    expect(release.inputs).not.toHaveProperty("values.config.data.INHERITED_ANNOTATIONS");
  });

  test("into a namespace that holds its pods to the restricted standard", async () => {
    const recording = await install({ source: { chart }, retainOnDelete: false });
    const namespace = recording.get("kubernetes:core/v1:Namespace");
    expect(namespace.inputs.metadata).toMatchObject({
      name: "cnpg-system",
      labels: { "pod-security.kubernetes.io/enforce": "restricted" },
    });
    expect(recording.get("kubernetes:helm.sh/v3:Release").dependencies).toContain(namespace.urn);
  });

  test.each([true, false])("is left by a destroy when the data is: %p", async (retainOnDelete) => {
    const recording = await install({ source: { chart }, retainOnDelete });
    expect(children(recording).map((child) => child.retainOnDelete)).toEqual([retainOnDelete, retainOnDelete]);
  });
});

describe("from a manifest", () => {
  test("each object is a resource of its kind, and the namespace is the program's", async () => {
    const types = children(await fromManifest()).map(({ type, name }) => `${type} ${name}`);
    expect(types.sort()).toEqual([
      "kubernetes:admissionregistration.k8s.io/v1:ValidatingWebhookConfiguration ValidatingWebhookConfiguration-cnpg-validating-webhook-configuration",
      "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition CustomResourceDefinition-clusters.postgresql.cnpg.io",
      "kubernetes:apps/v1:Deployment Deployment-cnpg-controller-manager",
      "kubernetes:core/v1:Namespace cnpg-system",
      "kubernetes:core/v1:Service Service-cnpg-webhook-service",
      "kubernetes:core/v1:ServiceAccount ServiceAccount-cnpg-manager",
    ]);
  });

  test("the Deployment waits for all that it reads, and not for the Service, which waits for its pod", async () => {
    const recording = await fromManifest();
    const { dependencies } = recording.get("kubernetes:apps/v1:Deployment");
    const kinds = dependencies.map((urn) => urn.split("$").at(-1)?.split("::")[0]);
    expect(kinds.sort()).toEqual([
      "kubernetes:admissionregistration.k8s.io/v1:ValidatingWebhookConfiguration",
      "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition",
      "kubernetes:core/v1:Namespace",
      "kubernetes:core/v1:ServiceAccount",
    ]);
  });

  test("definitions outlive the stack even where nothing else does: deleting one deletes every cluster", async () => {
    const recording = await fromManifest();
    const retained = children(recording).filter((child) => child.retainOnDelete);
    expect(retained.map(({ type }) => type)).toEqual(["kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition"]);
  });

  test("the certificate that the operator writes into its webhooks is left alone", async () => {
    const recording = await fromManifest();
    const webhook = recording.get("kubernetes:admissionregistration.k8s.io/v1:ValidatingWebhookConfiguration");
    expect(webhook.ignoreChanges).toEqual(["webhooks[*].clientConfig.caBundle"]);
  });
});

describe("reading a manifest", () => {
  let directory: string;
  let file: string;
  const sum = crypto.createHash("sha256").update(manifest).digest("hex");

  beforeAll(async () => {
    directory = await fs.mkdtemp(path.join(os.tmpdir(), "operator-manifest-"));
    file = path.join(directory, "cnpg.yaml");
    await fs.writeFile(file, manifest);
  });
  afterAll(() => fs.rm(directory, { recursive: true }));

  test("takes the one whose sum is given", async () => {
    const objects = await readManifest(from(file, sum));
    expect(objects.map(({ object }) => object.kind)).toEqual([
      "CustomResourceDefinition",
      "ServiceAccount",
      "Service",
      "Deployment",
      "ValidatingWebhookConfiguration",
    ]);
  });

  test.each([
    [
      "another sum",
      (path_: string) => [path_, "0".repeat(64)],
      /has the SHA-256 [0-9a-f]{64}, not 0{64}. Nothing was changed/,
    ],
    ["no file", (path_: string) => [`${path_}.absent`, sum], /cannot be read: .*ENOENT.*Nothing was changed/],
  ] as const)("refuses %s", async (_, source, message) => {
    const [where, sha256] = source(file);
    await expect(readManifest(from(where!, sha256!))).rejects.toThrow(ManifestError);
    await expect(readManifest(from(where!, sha256!))).rejects.toThrow(message);
  });

  test.each([
    ["what is no YAML", "a: [", /document 1 .* is no YAML/],
    ["a document without a kind", "apiVersion: v1\nmetadata: { name: x }", /document 1 .* has no apiVersion, kind/],
    ["a list", "- a", /document 1 .* has no apiVersion, kind/],
    ["a kind that no release has", "apiVersion: v1\nkind: Pod\nmetadata: { name: x }", /is a v1 Pod, which no release/],
  ])("refuses %s", (_, content, message) => {
    expect(() => parseManifest(content, named)).toThrow(ManifestError);
    expect(() => parseManifest(content, named)).toThrow(message);
  });

  test("skips empty documents", () => {
    expect(parseManifest("---\n---\n", named)).toEqual([]);
  });
});
