import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import * as kubernetes from "@pulumi/kubernetes";
import {
  groupStatements,
  isPermissionOnItsWay,
  lifecycleStatement,
  OciBucket,
  s3Endpoint,
  type OciBucketArgs,
} from "../../components/oci-bucket";
import { hasCredentials } from "../../components/oci-provider";
import { isSecret, mockSecretKey, record, Secret, unknown_, valueOf, type RecordOptions } from "../recording";

const args: OciBucketArgs = {
  namespace: "naytife-production",
  tenancy: "ocid1.tenancy.oc1..t",
  compartment: "ocid1.compartment.oc1..c",
  objectStorageNamespace: "axexample",
  region: "eu-frankfurt-1",
  homeRegion: "us-phoenix-1",
  bucket: "naytife-production-backups",
  prefix: "production",
  userEmail: "backups@example.com",
  previousVersionsDays: 7,
  abandonedUploadsDays: 3,
  protect: true,
  retainOnDelete: true,
};

const run = (changed: Partial<OciBucketArgs> = {}, options: RecordOptions = {}) =>
  record(() => {
    const provider = new kubernetes.Provider("kubernetes", {});
    return new OciBucket("backups", { ...args, ...changed }, { provider });
  }, options);

const types = {
  bucket: "oci:ObjectStorage/bucket:Bucket",
  lifecycle: "oci:ObjectStorage/objectLifecyclePolicy:ObjectLifecyclePolicy",
  user: "oci:Identity/user:User",
  group: "oci:Identity/group:Group",
  membership: "oci:Identity/userGroupMembership:UserGroupMembership",
  policy: "oci:Identity/policy:Policy",
  key: "oci:Identity/customerSecretKey:CustomerSecretKey",
  secret: "kubernetes:core/v1:Secret",
};

describe("the bucket", () => {
  test("is private, keeps what is overwritten or deleted, and lies where the configuration says", async () => {
    expect((await run()).get(types.bucket).inputs).toEqual({
      name: "naytife-production-backups",
      namespace: "axexample",
      compartmentId: "ocid1.compartment.oc1..c",
      accessType: "NoPublicAccess",
      storageTier: "Standard",
      versioning: "Enabled",
    });
  });

  test("has lifecycle rules for what is no live object, once Object Storage may keep them", async () => {
    const recording = await run();
    const lifecycle = recording.get(types.lifecycle);
    const rule = { timeUnit: "DAYS", isEnabled: true };
    expect(lifecycle.inputs).toEqual({
      namespace: "axexample",
      bucket: "naytife-production-backups",
      rules: [
        {
          ...rule,
          name: "delete-previous-versions",
          target: "previous-object-versions",
          action: "DELETE",
          timeAmount: "7",
        },
        { ...rule, name: "abort-abandoned-uploads", target: "multipart-uploads", action: "ABORT", timeAmount: "3" },
      ],
    });
    expect(lifecycle.dependencies).toEqual(
      expect.arrayContaining([recording.get(types.bucket).urn, recording.get(types.policy).urn]),
    );
    expect(lifecycle.errorHooks).toEqual(["backups-permission"]);
  });

  test("its address is known once the bucket can be written to", async () => {
    const { result } = await run();
    expect(await valueOf(result.destinationPath)).toBe("s3://naytife-production-backups/production");
    expect(await valueOf(result.endpointUrl)).toBe(
      "https://axexample.compat.objectstorage.eu-frankfurt-1.oraclecloud.com",
    );
    expect(await valueOf(result.region)).toBe("eu-frankfurt-1");
    expect(await valueOf(result.credentialsSecret)).toBe("cnpg-backup-secret");
  });

  test("what uses the address waits for the rights to it", async () => {
    const recording = await record(() => {
      const provider = new kubernetes.Provider("kubernetes", {});
      const bucket = new OciBucket("backups", args, { provider });
      const data = { path: bucket.destinationPath };
      return new kubernetes.core.v1.ConfigMap("user", { data }, { provider });
    });
    const { dependencies } = recording.get("kubernetes:core/v1:ConfigMap");
    for (const type of [types.bucket, types.membership, types.policy, types.lifecycle])
      expect(dependencies).toContain(recording.get(type).urn);
  });
});

describe("the user", () => {
  test("is in a group, whose rights and Object Storage's are one policy of the bucket's compartment", async () => {
    const recording = await run();
    expect(recording.get(types.user).inputs).toMatchObject({
      name: "naytife-production-backups",
      compartmentId: "ocid1.tenancy.oc1..t",
      email: "backups@example.com",
    });
    expect(recording.get(types.group).inputs).toMatchObject({ compartmentId: "ocid1.tenancy.oc1..t" });
    expect(recording.get(types.membership).inputs).toEqual({
      groupId: "backups-group-id",
      userId: "backups-user-id",
    });
    expect(recording.get(types.policy).inputs).toMatchObject({
      compartmentId: "ocid1.compartment.oc1..c",
      statements: [...groupStatements("backups-group-id", args), lifecycleStatement(args)],
    });
  });

  test("has no e-mail address where none is given", async () => {
    expect((await run({ userEmail: "" })).get(types.user).inputs).not.toHaveProperty("email");
  });

  test("has its key in the cluster's Secret, and nowhere in clear", async () => {
    const recording = await run();
    expect(recording.get(types.key).additionalSecretOutputs).toEqual(["key"]);
    const secret = recording.get(types.secret);
    expect(secret).toMatchObject({
      name: "cnpg-backup-secret",
      inputs: { type: "Opaque", metadata: { name: "cnpg-backup-secret", namespace: "naytife-production" } },
    });
    const data = secret.inputs.data;
    expect(data).toBeInstanceOf(Secret);
    const encoded = Object.entries((data as Secret).value as Record<string, string>);
    expect(Object.fromEntries(encoded.map(([key, value]) => [key, Buffer.from(value, "base64").toString()]))).toEqual({
      ACCESS_KEY_ID: "backups-key-id",
      ACCESS_SECRET_KEY: mockSecretKey,
    });
    const clear = JSON.stringify(
      recording.registrations.map(({ inputs }) => inputs),
      (_, value: unknown) => (value instanceof Secret ? "[secret]" : value),
    );
    expect(clear).not.toContain(mockSecretKey);
    expect(clear).not.toContain(Buffer.from(mockSecretKey).toString("base64"));
    for (const output of [
      recording.result.destinationPath,
      recording.result.endpointUrl,
      recording.result.credentialsSecret,
    ])
      expect(await isSecret(output)).toBe(false);
  });
});

describe("statements", () => {
  test("let the group read and write objects, and not destroy what was there before", () => {
    expect(groupStatements("ocid1.group.oc1..g", args)).toEqual([
      "Allow group id ocid1.group.oc1..g to read buckets in compartment id ocid1.compartment.oc1..c " +
        "where target.bucket.name = 'naytife-production-backups'",
      "Allow group id ocid1.group.oc1..g to manage objects in compartment id ocid1.compartment.oc1..c " +
        "where all {target.bucket.name = 'naytife-production-backups', any {request.permission = 'OBJECT_INSPECT', " +
        "request.permission = 'OBJECT_READ', request.permission = 'OBJECT_CREATE', " +
        "request.permission = 'OBJECT_OVERWRITE', request.permission = 'OBJECT_DELETE'}}",
    ]);
  });

  test("let Object Storage of the bucket's region keep the lifecycle rules", () => {
    expect(lifecycleStatement(args)).toBe(
      "Allow service objectstorage-eu-frankfurt-1 to manage object-family in compartment id ocid1.compartment.oc1..c " +
        "where all {target.bucket.name = 'naytife-production-backups', any {request.permission = 'BUCKET_INSPECT', " +
        "request.permission = 'BUCKET_READ', request.permission = 'OBJECT_INSPECT', " +
        "request.permission = 'OBJECT_UPDATE_TIER', request.permission = 'OBJECT_DELETE', " +
        "request.permission = 'OBJECT_VERSION_DELETE'}}",
    );
  });
});

describe("options", () => {
  const oci = Object.entries(types).filter(([, type]) => type.startsWith("oci:"));

  test.each([true, false])("everything is protected and outlives the stack, or nothing: %p", async (safe) => {
    const recording = await run({ protect: safe, retainOnDelete: safe });
    const { key, ...protectedTypes } = types;
    for (const type of Object.values(protectedTypes))
      expect(recording.get(type)).toMatchObject({ protect: safe, retainOnDelete: safe });
    // It can be replaced by another one; what a destroy comes to before it is protected.
    expect(recording.get(key)).toMatchObject({ protect: false, retainOnDelete: safe });
    expect(recording.get(types.secret).dependencies).toContain(recording.get(key).urn);
  });

  test("everything belongs to the component, and nothing to a default provider", async () => {
    const recording = await run();
    const component = recording.get("naytife:postgres:OciBucket").urn;
    for (const type of Object.values(types)) expect(recording.get(type).parent).toBe(component);
    expect(recording.get(types.secret).provider).toMatch(/::pulumi:providers:kubernetes::kubernetes::/);
    for (const [name, type] of oci) {
      const region = name === "bucket" || name === "lifecycle" ? "backups-oci" : "backups-oci-home";
      expect(recording.get(type).provider.split("::")).toContain(region);
    }
    expect(recording.get("pulumi:providers:oci", "backups-oci").inputs.region).toBe("eu-frankfurt-1");
    expect(recording.get("pulumi:providers:oci", "backups-oci-home").inputs.region).toBe("us-phoenix-1");
  });

  test("one provider is enough in the home region", async () => {
    const recording = await run({ homeRegion: args.region });
    expect(recording.get("pulumi:providers:oci").name).toBe("backups-oci");
    for (const [, type] of oci) expect(recording.get(type).provider.split("::")).toContain("backups-oci");
  });
});

describe("credentials", () => {
  const home = mkdtempSync(join(tmpdir(), "naytife-oci-"));
  const variables = ["OCI_AUTH", "TF_VAR_private_key", "OCI_PRIVATE_KEY_PATH", "OCI_CONFIG_FILE"];

  afterAll(() => {
    rmSync(home, { recursive: true });
  });

  test.each(variables)("are there with %s", (variable) => {
    expect(hasCredentials({ [variable]: "something" }, home)).toBe(true);
    expect(hasCredentials({ [variable]: "" }, home)).toBe(false);
  });

  test("are there with a configuration file", () => {
    expect(hasCredentials({}, home)).toBe(false);
    mkdirSync(join(home, ".oci"));
    writeFileSync(join(home, ".oci", "config"), "");
    expect(hasCredentials({}, home)).toBe(true);
  });

  test("a preview without them does not start the provider, and still knows what the key's Secret is called", async () => {
    // Whoever runs the tests may have credentials of their own.
    const without = !hasCredentials(process.env, homedir());
    const { registrations, result } = await run({}, { preview: true });
    const regions = registrations
      .filter(({ type }) => type === "pulumi:providers:oci")
      .map(({ inputs }) => inputs.region);
    expect(regions).toEqual(without ? [unknown_, unknown_] : ["eu-frankfurt-1", "us-phoenix-1"]);
    expect(await valueOf(result.credentialsSecret)).toBe("cnpg-backup-secret");
    expect(await valueOf(result.region)).toBe("eu-frankfurt-1");
  });
});

test("a right that is on its way is told from one that is not", () => {
  expect(isPermissionOnItsWay("1 error occurred: 400-InsufficientServicePermissions, Permissions granted …")).toBe(
    true,
  );
  expect(isPermissionOnItsWay("404-BucketNotFound, Either the bucket … does not exist")).toBe(false);
});

test("the endpoint is of the namespace and the region", () => {
  expect(s3Endpoint("ax", "us-phoenix-1")).toBe("https://ax.compat.objectstorage.us-phoenix-1.oraclecloud.com");
});
