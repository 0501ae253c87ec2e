/** What the program relies on of @pulumi/oci, with the stand-in on a real S3 store (docs/decisions/provider-behaviours.md). */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import * as kubernetes from "@pulumi/kubernetes";
import { OciBucket } from "../../components/oci-bucket";
import { cacheDirectory } from "../../local/cache";
import { commonPlugins } from "../../local/engine/plugins";
import { preview } from "../../local/engine/preview";
import { tool } from "../../local/toolchain/toolchain";
import { EngineRun } from "./engine-run";
import { S3 } from "./stand-ins/oci/s3";

jest.setTimeout(120_000);

const directory = mkdtempSync(join(tmpdir(), "naytife-oci-"));
const ambient = { ...process.env };
let gateway: ChildProcess;
let url: string;
let store: S3;
let engine: EngineRun;

/** Whatever credentials this machine has, none are to be found, neither OCI's nor the stand-in's. */
function withoutCredentials(): void {
  for (const name of Object.keys(process.env))
    if (/^(OCI|TF_VAR|NAYTIFE_OCI)_/.test(name)) Reflect.deleteProperty(process.env, name);
  process.env.HOME = directory;
}

function withCredentials(): void {
  process.env.OCI_PRIVATE_KEY_PATH = join(directory, "key.pem");
  process.env.NAYTIFE_OCI_STAND_IN_S3 = url;
  process.env.NAYTIFE_OCI_STAND_IN_TENANCY = join(directory, "tenancy");
  process.env.NAYTIFE_OCI_STAND_IN_HOME_REGION = "us-ashburn-1";
}

beforeAll(async () => {
  engine = await EngineRun.open([...commonPlugins, "oci"]);
  const port = await freePort();
  const [root, versions] = ["objects", "versions"].map((name) => join(directory, name)) as [string, string];
  for (const path of [root, versions]) mkdirSync(path);
  gateway = spawn(
    await tool("versitygw"),
    ["--port", `127.0.0.1:${String(port)}`, "--region", "us-phoenix-1", "posix", "--versioning-dir", versions, root],
    { env: { ...process.env, ROOT_ACCESS_KEY: "tests", ROOT_SECRET_KEY: "tests-secret" }, stdio: "ignore" },
  );
  url = `http://tests:tests-secret@127.0.0.1:${String(port)}`;
  store = new S3(url, "us-phoenix-1");
  while ((await store.hasBucket("none").catch(() => undefined)) === undefined) await setTimeout(100);
  process.env.KUBECONFIG = join(directory, "no-kubeconfig");
  // The tools, and the modules of Go, are where they were, whatever HOME is.
  process.env.NAYTIFE_CACHE = cacheDirectory();
  process.env.GOPATH ??= join(homedir(), "go");
});

afterAll(() => {
  gateway.kill();
  engine.close();
  rmSync(directory, { recursive: true, force: true });
  for (const name of Object.keys(process.env)) if (!(name in ambient)) Reflect.deleteProperty(process.env, name);
  Object.assign(process.env, ambient);
});

const program =
  ({ days = 7, bucket = "backups" } = {}) =>
  () => {
    const provider = new kubernetes.Provider("kubernetes", {});
    const { destinationPath, endpointUrl } = new OciBucket(
      "backups",
      {
        namespace: "naytife",
        tenancy: "ocid1.tenancy.oc1..t",
        compartment: "ocid1.compartment.oc1..c",
        objectStorageNamespace: "axexample",
        region: "us-phoenix-1",
        homeRegion: "us-ashburn-1",
        bucket,
        prefix: "tests",
        userEmail: "",
        previousVersionsDays: days,
        abandonedUploadsDays: 3,
        protect: false,
        retainOnDelete: false,
      },
      { provider },
    );
    return Promise.resolve({ destinationPath, endpointUrl });
  };

/** What a run does to OCI's resources, whose names begin with the component's. */
const resources = ["bucket", "group", "key", "lifecycle", "membership", "policy", "user"].map(
  (kind) => `backups-${kind}`,
);
const everything = (operation: string) => Object.fromEntries(resources.map((name) => [name, operation]));

/** No cluster is here to take the Secret. */
const withoutCluster = {
  exclude: ["urn:pulumi:test::behaviours::naytife:postgres:OciBucket$kubernetes:core/v1:Secret::cnpg-backup-secret"],
};

test("a preview without credentials is green, and lists what is to be made", async () => {
  withoutCredentials();
  const run = await engine.preview(program());
  expect(run.error).toBeUndefined();
  expect(run.operations).toEqual({ ...everything("create"), backups: "create", "cnpg-backup-secret": "create" });
  expect(await store.hasBucket("backups")).toBe(false);
});

test("a provider that is to make something and finds no credentials says so", async () => {
  withoutCredentials();
  const run = await engine.up(program(), withoutCluster);
  expect(run.error).toContain("did not find a proper configuration for tenancy");
  expect(await store.hasBucket("backups")).toBe(false);
});

test("a bucket is made, and its lifecycle rules once their permission has reached Object Storage", async () => {
  withCredentials();
  const run = await engine.up(program(), withoutCluster);
  expect(run.error).toBeUndefined();
  expect(run.operations).toMatchObject(everything("create"));
  // The stand-in refused them at first.
  expect(run.log).toMatch(/backups-lifecycle.*\n?.*retrying create due to on-error hook/);
  expect(await engine.outputs()).toMatchObject({
    destinationPath: "s3://backups/tests",
    endpointUrl: "https://axexample.compat.objectstorage.us-phoenix-1.oraclecloud.com",
  });
  expect(await store.hasBucket("backups")).toBe(true);
});

test("the key is encrypted in the state", () => {
  const { checkpoint } = JSON.parse(engine.state()) as {
    checkpoint: { latest: { resources: { type: string; outputs?: Record<string, unknown> }[] } };
  };
  const key = checkpoint.latest.resources.find(
    ({ type }) => type === "oci:Identity/customerSecretKey:CustomerSecretKey",
  );
  expect(key?.outputs?.key).toEqual({
    "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
    ciphertext: expect.any(String) as string,
  });
});

test("again, and refreshed, nothing changes", async () => {
  const refreshed = await engine.refresh();
  expect(refreshed.error).toBeUndefined();
  expect(refreshed.operations).toMatchObject(everything("refresh"));
  const again = await engine.up(program(), withoutCluster);
  expect(again.error).toBeUndefined();
  expect(again.operations).toMatchObject(everything("same"));
});

test("other lifecycle rules are put in place; another name is another bucket, with a user of its own", async () => {
  const previewed = await engine.preview(program({ bucket: "others" }));
  expect(previewed.operations).toMatchObject(everything("replace"));
  const run = await engine.up(program({ days: 30 }), withoutCluster);
  expect(run.error).toBeUndefined();
  expect(run.operations).toMatchObject({ ...everything("same"), "backups-lifecycle": "update" });
});

test("a preview without credentials of what exists is green, and says what it cannot tell", async () => {
  withoutCredentials();
  const run = await engine.preview(program());
  expect(run.error).toBeUndefined();
  expect(Object.values(run.operations)).not.toContain("replace");
  expect(run.log).toContain("inputs that are not known during preview");
});

test("a lost state: what exists is refused, and not taken over", async () => {
  withCredentials();
  const other = await EngineRun.open([...commonPlugins, "oci"]);
  const run = await other.up(program(), withoutCluster);
  other.close();
  expect(run.error).toMatch(/409-\w+AlreadyExists/);
});

test("the preview of production has OCI's resources, without a cluster and without credentials", async () => {
  withoutCredentials();
  const { resources: previewed } = await preview({
    stack: "production",
    stateDirectory: join(directory, "state"),
  });
  const names = previewed.filter(({ type }) => type.startsWith("oci:")).map(({ name }) => name);
  expect(names.sort()).toEqual(resources.map((name) => name.replace("backups-", "bucket-")));
  expect(previewed.map(({ type, name }) => `${type} ${name}`)).toEqual(
    expect.arrayContaining(["naytife:postgres:OciBucket bucket", "kubernetes:core/v1:Secret cnpg-backup-secret"]),
  );
});

test("destroy removes it all", async () => {
  withCredentials();
  expect((await engine.destroy()).error).toBeUndefined();
  expect(await store.hasBucket("backups")).toBe(false);
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
