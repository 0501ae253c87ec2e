/**
 * What the program relies on of @pulumi/kubernetes, against a real API server, on whichever provider is there
 * (docs/decisions/provider-behaviours.md). Nothing here needs a node: Pods stay pending.
 */
import * as kubernetes from "@pulumi/kubernetes";
import { type V1Secret, CoreV1Api, KubeConfig, StorageV1Api } from "@kubernetes/client-node";
import { randomBytes } from "node:crypto";
import { execFileSync } from "node:child_process";
import { tool } from "../../local/toolchain/toolchain";
import { sharedCluster } from "./cluster";
import { EngineRun } from "../engine/engine-run";

jest.setTimeout(300_000);

const name = `behaviours-${randomBytes(3).toString("hex")}`;
/** Each test has its own: what it leaves there is in nobody's way. */
let namespace: string;
const namespaces: string[] = [];
let kubectlProgram: string;
let kubeconfig: string;
let core: CoreV1Api;
let storage: StorageV1Api;
let engine: EngineRun;

beforeAll(async () => {
  kubectlProgram = await tool("kubectl");
  kubeconfig = process.env.NAYTIFE_E2E_KUBECONFIG ?? (await sharedCluster()).kubeconfig;
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  core = config.makeApiClient(CoreV1Api);
  storage = config.makeApiClient(StorageV1Api);
  execFileSync(kubectlProgram, ["--kubeconfig", kubeconfig, "apply", "-f", "-"], { input: JSON.stringify(widgets) });
  engine = await EngineRun.open();
}, 600_000);

beforeEach(async () => {
  namespace = `${name}-${namespaces.length}`;
  await core.createNamespace({ body: { metadata: { name: namespace } } });
  namespaces.push(namespace);
  engine.loseState();
});

afterAll(async () => {
  engine.close();
  for (const used of namespaces) await core.deleteNamespace({ name: used });
  kubectl("delete", "customresourcedefinition", widgets.metadata.name);
});

/** A custom kind of this test's own, as an operator would bring one. */
const group = `${name}.example.com`;
const widgets = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: `widgets.${group}` },
  spec: {
    group,
    scope: "Namespaced",
    names: { kind: "Widget", plural: "widgets" },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: {
              spec: {
                type: "object",
                properties: { size: { type: "integer", minimum: 1, default: 1 }, colour: { type: "string" } },
              },
              status: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
            },
          },
        },
      },
    ],
  },
};

function kubectl(...words: string[]): string {
  return execFileSync(kubectlProgram, ["--kubeconfig", kubeconfig, ...words], { encoding: "utf8", stdio: "pipe" });
}

type Resources = (options: { provider: kubernetes.Provider }) => Record<string, unknown> | undefined;

/** A program of these resources, on a provider that is set as the project's own. */
const program =
  (resources: Resources, settings: kubernetes.ProviderArgs = {}) =>
  (): Promise<Record<string, unknown>> => {
    const provider = new kubernetes.Provider("provider", {
      kubeconfig,
      clusterIdentifier: "behaviours",
      enableSecretMutable: true,
      enableConfigMapMutable: true,
      upsertExistingObjects: true,
      ...settings,
    });
    return Promise.resolve(resources({ provider }) ?? {});
  };

const configMap =
  (data: Record<string, string>, annotations: Record<string, string> = {}): Resources =>
  (options) => {
    new kubernetes.core.v1.ConfigMap("map", { metadata: { name: "map", namespace, annotations }, data }, options);
    return undefined;
  };

const secret =
  (value: string): Resources =>
  (options) => {
    new kubernetes.core.v1.Secret(
      "secret",
      { metadata: { name: "secret", namespace }, stringData: { password: value } },
      options,
    );
    return undefined;
  };

const widget =
  (spec: Record<string, unknown>, annotations: Record<string, string> = {}, seconds = 5): Resources =>
  (options) => {
    new kubernetes.apiextensions.CustomResource(
      "widget",
      { apiVersion: `${group}/v1`, kind: "Widget", metadata: { name: "widget", namespace, annotations }, spec },
      { ...options, customTimeouts: { create: `${seconds}s`, update: `${seconds}s` } },
    );
    return undefined;
  };

/** A widget that leaves its size to somebody else, and keeps it if it was its own. */
const unsized =
  (colour: string): Resources =>
  (options) => ({
    widget: new kubernetes.apiextensions.CustomResource(
      "widget",
      { apiVersion: `${group}/v1`, kind: "Widget", metadata: { name: "widget", namespace }, spec: { colour } },
      { ...options, ignoreChanges: ["spec.size"] },
    ),
  });

/** As the project's own provider. */
const enforced: kubernetes.ProviderArgs = { enablePatchForce: true };

/** A patch of the widget's size, made after it. */
const sized =
  (size: number, retainOnDelete: boolean, resources: Resources): Resources =>
  (options) => {
    const made = resources(options) as Record<string, kubernetes.apiextensions.CustomResource>;
    new kubernetes.apiextensions.CustomResourcePatch(
      "size",
      {
        apiVersion: `${group}/v1`,
        kind: "Widget",
        metadata: { name: "widget", namespace, annotations: { "pulumi.com/patchFieldManager": "widget-size" } },
        spec: { size },
      },
      { ...options, retainOnDelete, dependsOn: Object.values(made) },
    );
    return undefined;
  };

const setStatus = (status: Record<string, unknown>) =>
  kubectl(
    "patch",
    `widgets.${group}/widget`,
    "-n",
    namespace,
    "--subresource=status",
    "--type=merge",
    "-p",
    JSON.stringify({ status }),
  );

const liveMap = async () => (await core.readNamespacedConfigMap({ name: "map", namespace })).data;
const uidOf = async (read: Promise<V1Secret>) => (await read).metadata?.uid;

test("create, up again and refresh change nothing, update happens in place by server-side apply", async () => {
  expect((await engine.up(program(configMap({ a: "1" })))).operations).toEqual({ map: "create" });
  const again = await engine.up(program(configMap({ a: "1" })), { refresh: true });
  expect(again.error).toBeUndefined();
  expect(
    Object.values(again.operations).filter((operation) => !["same", "refresh", "read"].includes(operation)),
  ).toEqual([]);

  const { metadata: before } = await core.readNamespacedConfigMap({ name: "map", namespace });
  expect((await engine.up(program(configMap({ b: "2" })))).operations).toEqual({ map: "update" });
  const after = await core.readNamespacedConfigMap({ name: "map", namespace });
  expect(after.data).toEqual({ b: "2" });
  expect(after.metadata?.uid).toBe(before?.uid);
  expect(after.metadata?.managedFields?.map(({ operation }) => operation)).toEqual(["Apply"]);
});

test("a preview asks the server, so that a value which it refuses fails before anything is made", async () => {
  const run = await engine.preview(program(widget({ size: 0 })));
  expect(run.error).toMatch(/spec\.size.*should be greater than or equal to 1/);
  expect(kubectl("get", `widgets.${group}`, "-n", namespace, "-o", "name")).toBe("");
});

test("a preview of a kind that is not there yet is green", async () => {
  const run = await engine.preview(
    program((options) => {
      new kubernetes.apiextensions.CustomResource(
        "other",
        { apiVersion: "later.example.com/v1", kind: "Later", metadata: { name: "other", namespace }, spec: {} },
        options,
      );
      return undefined;
    }),
  );
  expect(run.error).toBeUndefined();
  expect(run.operations).toEqual({ other: "create" });
});

test("a field of another manager is a conflict, and is taken over only with patchForce", async () => {
  await engine.up(program(configMap({ a: "1" })));
  kubectl("patch", "configmap/map", "-n", namespace, "--field-manager=someone", "-p", '{"data":{"a":"theirs"}}');
  const refused = await engine.up(program(configMap({ a: "2" })));
  expect(refused.error).toMatch(/conflict/i);
  expect(refused.error).toMatch(/someone/);
  expect(await liveMap()).toEqual({ a: "theirs" });
  const forced = await engine.up(program(configMap({ a: "2" }, { "pulumi.com/patchForce": "true" })));
  expect(forced.error).toBeUndefined();
  expect(await liveMap()).toEqual({ a: "2" });
});

test("a Secret is updated in place, and its values lie encrypted in the state", async () => {
  const values = ["first-secret-value", "second-secret-value"] as const;
  expect((await engine.up(program(secret(values[0])))).error).toBeUndefined();
  const uid = await uidOf(core.readNamespacedSecret({ name: "secret", namespace }));
  expect((await engine.up(program(secret(values[1])))).operations).toEqual({ secret: "update" });
  const live = await core.readNamespacedSecret({ name: "secret", namespace });
  expect(live.metadata?.uid).toBe(uid);
  expect(Buffer.from(live.data?.password ?? "", "base64").toString()).toBe(values[1]);
  for (const value of values) {
    expect(engine.state()).not.toContain(value);
    expect(engine.state()).not.toContain(Buffer.from(value).toString("base64"));
  }
});

test("a StorageClass with other parameters is replaced, the old one deleted first because the name is fixed", async () => {
  const name = `${namespace}-class`;
  const storageClass =
    (type: string): Resources =>
    (options) => {
      new kubernetes.storage.v1.StorageClass(
        "class",
        { metadata: { name }, provisioner: "example.com/none", parameters: { type } },
        options,
      );
      return undefined;
    };
  expect((await engine.up(program(storageClass("slow")))).error).toBeUndefined();
  const replaced = await engine.up(program(storageClass("fast")));
  expect(replaced.error).toBeUndefined();
  expect(replaced.operations).toEqual({ class: "replace" });
  expect((await storage.readStorageClass({ name })).parameters).toEqual({ type: "fast" });
  await storage.deleteStorageClass({ name });
});

test("waitFor ends when the condition comes", async () => {
  const annotations = { "pulumi.com/waitFor": '["condition=Ready","jsonpath={.status.phase}=fine"]' };
  const running = engine.up(program(widget({ size: 1 }, annotations, 180)));
  const deadline = Date.now() + 120_000;
  for (;;) {
    try {
      setStatus({ phase: "fine", conditions: [{ type: "Ready", status: "True" }] });
      break;
    } catch (error) {
      if (Date.now() > deadline) throw error; // Not created yet.
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  }
  expect((await running).error).toBeUndefined();
});

test("waitFor that times out fails the update, keeps the object in the state, and the next up goes on with it", async () => {
  const annotations = { "pulumi.com/waitFor": "condition=Ready" };
  const failed = await engine.up(program(widget({ size: 1 }, annotations, 3)));
  expect(failed.error).toMatch(/failed to fully initialize or become live/);
  expect(failed.error).toMatch(/timed out waiting for the condition/);
  expect(engine.state()).toContain(`"${namespace}/widget"`);
  setStatus({ conditions: [{ type: "Ready", status: "True" }] });
  const mended = await engine.up(program(widget({ size: 1 }, annotations, 60)));
  expect(mended.error).toBeUndefined();
  expect(mended.operations).toEqual({ widget: "update" });
});

test("a Deployment whose Pods do not come fails with what is missing", async () => {
  const labels = { app: "never" };
  const failed = await engine.up(
    program((options) => {
      new kubernetes.apps.v1.Deployment(
        "deployment",
        {
          metadata: { name: "deployment", namespace },
          spec: {
            selector: { matchLabels: labels },
            template: {
              metadata: { labels },
              spec: {
                nodeSelector: { "no-such": "node" },
                containers: [{ name: "main", image: "example.com/none:1" }],
              },
            },
          },
        },
        { ...options, customTimeouts: { create: "5s" } },
      );
      return undefined;
    }),
  );
  expect(failed.error).toMatch(/'deployment' timed out waiting to be Ready/);
  expect(failed.error).toMatch(/MinimumReplicasUnavailable|minimum availability/i);
});

test("drift is seen by a refresh, and the next up mends it", async () => {
  await engine.up(program(configMap({ a: "1" }, { "pulumi.com/patchForce": "true" })));
  kubectl("patch", "configmap/map", "-n", namespace, "-p", '{"data":{"a":"drifted"}}');
  expect((await engine.refresh()).error).toBeUndefined();
  const mended = await engine.up(program(configMap({ a: "1" }, { "pulumi.com/patchForce": "true" })));
  expect(mended.operations).toEqual({ map: "update" });
  expect(await liveMap()).toEqual({ a: "1" });
});

test("an object that somebody deleted is made again after a refresh", async () => {
  await engine.up(program(configMap({ a: "1" })));
  kubectl("delete", "configmap/map", "-n", namespace);
  const made = await engine.up(program(configMap({ a: "1" })), { refresh: true });
  expect(made.error).toBeUndefined();
  expect(await liveMap()).toEqual({ a: "1" });
});

test("an object that exists is taken over with upsertExistingObjects, and refused without", async () => {
  kubectl("create", "configmap", "map", "-n", namespace, "--from-literal=other=kept");
  const refused = await engine.up(program(configMap({ a: "1" }), { upsertExistingObjects: false }));
  expect(refused.error).toMatch(/already exists/);
  expect(await liveMap()).toEqual({ other: "kept" });
  const adopted = await engine.up(program(configMap({ a: "1" })));
  expect(adopted.error).toBeUndefined();
  expect(await liveMap()).toEqual({ a: "1", other: "kept" });
});

const liveSize = () =>
  kubectl("get", `widgets.${group}/widget`, "-n", namespace, "-o", "jsonpath={.spec.size}:{.spec.colour}");

test("a patch sets a field of what another resource made; neither undoes the other, and again and refreshed nothing changes", async () => {
  const patched = (size: number, colour: string) => program(sized(size, true, unsized(colour)), enforced);
  expect((await engine.up(patched(3, "red"))).operations).toEqual({ widget: "create", size: "create" });
  expect(liveSize()).toBe("3:red");
  for (const refresh of [false, true]) {
    const again = await engine.up(patched(3, "red"), { refresh });
    expect(again.error).toBeUndefined();
    expect(Object.values(again.operations).filter((operation) => !["same", "refresh"].includes(operation))).toEqual([]);
  }
  expect((await engine.up(patched(3, "blue"))).operations).toMatchObject({ widget: "update", size: "same" });
  expect(liveSize()).toBe("3:blue");
  expect((await engine.up(patched(5, "blue"))).operations).toMatchObject({ widget: "same", size: "update" });
  expect(liveSize()).toBe("5:blue");
  const retained = await engine.up(program(unsized("green"), enforced));
  expect(retained.error).toBeUndefined();
  expect(liveSize()).toBe("5:green");
});

test("a patch that is deleted gives its fields back to their defaults, if it is not retained", async () => {
  await engine.up(program(sized(3, false, unsized("red")), enforced));
  const deleted = await engine.up(program(unsized("red"), enforced));
  expect(deleted.operations).toMatchObject({ size: "delete" });
  expect(liveSize()).toBe("1:red");
});

test("a field that was the resource's own keeps its value under ignoreChanges, before a patch takes it and after", async () => {
  await engine.up(program(widget({ size: 3, colour: "red" }), enforced));
  expect((await engine.up(program(unsized("blue"), enforced))).error).toBeUndefined();
  expect(liveSize()).toBe("3:blue");
  expect((await engine.up(program(sized(5, true, unsized("blue")), enforced))).error).toBeUndefined();
  expect(liveSize()).toBe("5:blue");
  expect((await engine.up(program(sized(5, true, unsized("green")), enforced))).error).toBeUndefined();
  expect(liveSize()).toBe("5:green");
});

test("a lost state: a field that was the resource's own keeps its value, although nobody sets it any more", async () => {
  await engine.up(program(widget({ size: 3, colour: "red" }), enforced));
  engine.loseState();
  for (const colour of ["blue", "green"]) {
    expect((await engine.up(program(unsized(colour), enforced))).error).toBeUndefined();
    expect(liveSize()).toBe(`3:${colour}`);
  }
});

test("a lost state: the object and its patch are taken over, and the field keeps its value in between", async () => {
  await engine.up(program(sized(3, true, unsized("red")), enforced));
  engine.loseState();
  expect((await engine.up(program(unsized("blue"), enforced))).error).toBeUndefined();
  expect(liveSize()).toBe("3:blue");
  expect((await engine.up(program(sized(3, true, unsized("blue")), enforced))).error).toBeUndefined();
  expect(liveSize()).toBe("3:blue");
});

test("destroy deletes and waits until the object is gone; retainOnDelete leaves it", async () => {
  await engine.up(program(configMap({ a: "1" })));
  expect((await engine.destroy()).error).toBeUndefined();
  expect(kubectl("get", "configmap", "map", "-n", namespace, "--ignore-not-found")).toBe("");

  const retained: Resources = (options) => {
    new kubernetes.core.v1.ConfigMap(
      "map",
      { metadata: { name: "map", namespace } },
      { ...options, retainOnDelete: true },
    );
    return undefined;
  };
  await engine.up(program(retained));
  expect((await engine.destroy()).error).toBeUndefined();
  expect(kubectl("get", "configmap", "map", "-n", namespace, "-o", "name").trim()).toBe("configmap/map");
  kubectl("delete", "configmap/map", "-n", namespace);
});

test("a cluster that does not answer: the preview is green, up fails and says why", async () => {
  const nowhere = {
    kubeconfig: JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      "current-context": "nowhere",
      clusters: [{ name: "nowhere", cluster: { server: "https://127.0.0.1:1" } }],
      users: [{ name: "nobody", user: {} }],
      contexts: [{ name: "nowhere", context: { cluster: "nowhere", user: "nobody" } }],
    }),
  };
  const previewed = await engine.preview(program(configMap({ a: "1" }), nowhere));
  expect(previewed.error).toBeUndefined();
  const failed = await engine.up(program(configMap({ a: "1" }), nowhere));
  expect(failed.error).toMatch(/configured Kubernetes cluster is unreachable/);
});

test("a context that is not in the kubeconfig: up fails and names it", async () => {
  const failed = await engine.up(program(configMap({ a: "1" }), { context: "no-such-context" }));
  expect(failed.error).toMatch(/configured Kubernetes cluster is unreachable/);
  expect(failed.error).toMatch(/no-such-context/);
});
