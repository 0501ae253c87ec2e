/**
 * Stand-in for the provider of @pulumi/oci: the resources of components/oci-bucket.ts. A bucket is a real one, on any S3 store. Users, groups,
 * policies and keys are recorded in a directory, with OCI's ids, its outputs and the refusals that the program has to get on with.
 *
 * NAYTIFE_OCI_STAND_IN_S3 is the store (`http://<access key>:<secret key>@<host>:<port>`), NAYTIFE_OCI_STAND_IN_TENANCY the directory,
 * NAYTIFE_OCI_STAND_IN_HOME_REGION the only region that takes changes of identities. Without the first two it refuses to be configured, as
 * Oracle's does without credentials.
 *
 * Not here: lifecycle rules are taken, and kept by nobody; policies are held against the lifecycle rules alone; the keys open nothing.
 */
import { randomBytes } from "node:crypto";
import type { CheckAnswer, Difference, PropertyChange, Provider, ResourceRequest } from "../provider";
import { containsUnknown, equal, isObject, unknown, unwrap, type Properties, type Value } from "../values";
import { S3, S3Error } from "./s3";
import { Tenancy } from "./tenancy";

interface Kind {
  /** As in an OCID; undefined: the id is a path. */
  readonly ocid?: string;
  readonly required: readonly string[];
  /** Whose change asks for another one (ForceNew in terraform-provider-oci). */
  readonly replaces: readonly string[];
  /** Set by the service. */
  readonly outputs: readonly string[];
  readonly defaults?: Properties;
  /** The name must be its own. */
  readonly unique?: true;
  /** Only the home region takes changes. */
  readonly identity?: true;
}

const bucketType = "oci:ObjectStorage/bucket:Bucket";
const lifecycleType = "oci:ObjectStorage/objectLifecyclePolicy:ObjectLifecyclePolicy";
const policyType = "oci:Identity/policy:Policy";
const keyType = "oci:Identity/customerSecretKey:CustomerSecretKey";

const kinds: Record<string, Kind> = {
  [bucketType]: {
    required: ["compartmentId", "name", "namespace"],
    replaces: ["name", "namespace", "storageTier"],
    outputs: ["bucketId", "createdBy", "etag", "timeCreated"],
    defaults: { accessType: "NoPublicAccess" },
  },
  [lifecycleType]: {
    required: ["bucket", "namespace"],
    replaces: ["bucket", "namespace"],
    outputs: ["timeCreated"],
  },
  "oci:Identity/user:User": {
    ocid: "user",
    required: ["description"],
    replaces: ["compartmentId", "name"],
    outputs: ["state", "timeCreated"],
    unique: true,
    identity: true,
  },
  "oci:Identity/group:Group": {
    ocid: "group",
    required: ["description"],
    replaces: ["compartmentId", "name"],
    outputs: ["state", "timeCreated"],
    unique: true,
    identity: true,
  },
  "oci:Identity/userGroupMembership:UserGroupMembership": {
    ocid: "groupmembership",
    required: ["groupId", "userId"],
    replaces: ["groupId", "userId"],
    outputs: ["state", "timeCreated"],
    identity: true,
  },
  [policyType]: {
    ocid: "policy",
    required: ["compartmentId", "description", "statements"],
    replaces: ["compartmentId", "name"],
    outputs: ["state", "timeCreated"],
    unique: true,
    identity: true,
  },
  [keyType]: {
    required: ["displayName", "userId"],
    replaces: ["userId"],
    outputs: ["key", "state", "timeCreated"],
    identity: true,
  },
};

/** How long a policy takes to reach Object Storage, in milliseconds. */
const policyDelay = 2_000;
/** OCI's limit of Customer Secret Keys for one user. */
const keysOfUser = 2;

export class OciProvider implements Provider {
  private region = "";
  private tenancy: Tenancy | undefined;
  private s3: S3 | undefined;

  constructor(readonly version: string) {}

  configure(settings: Properties): void {
    const { NAYTIFE_OCI_STAND_IN_S3: store, NAYTIFE_OCI_STAND_IN_TENANCY: directory } = process.env;
    if (store === undefined || directory === undefined)
      throw new Error(
        "can not create client, bad configuration: did not find a proper configuration for tenancy " +
          "(the stand-in for oci takes NAYTIFE_OCI_STAND_IN_S3 and NAYTIFE_OCI_STAND_IN_TENANCY)",
      );
    this.region = text(settings.region);
    this.s3 = new S3(store, this.region);
    this.tenancy = new Tenancy(directory);
  }

  check({ type, news }: ResourceRequest & { news: Properties }): CheckAnswer {
    const kind = kindOf(type);
    const inputs = { ...kind.defaults, ...withoutNulls(news) };
    const failures = kind.required
      .filter((property) => inputs[property] === undefined)
      .map((property) => ({ property, reason: `Missing required argument: "${property}" is required` }));
    return { inputs, failures: [...failures, ...(type === lifecycleType ? problemsOfRules(inputs.rules) : [])] };
  }

  diff({ type, oldInputs, news }: ResourceRequest & { oldInputs: Properties; news: Properties }): Difference {
    const changes = new Map<string, PropertyChange>();
    for (const key of new Set([...Object.keys(oldInputs), ...Object.keys(news)]))
      if (!equal(oldInputs[key], news[key]))
        changes.set(key, oldInputs[key] === undefined ? "add" : news[key] === undefined ? "delete" : "update");
    return { changes, replaces: kindOf(type).replaces.filter((key) => changes.has(key)) };
  }

  async create({ type, inputs, preview }: ResourceRequest & { inputs: Properties; preview: boolean }) {
    const kind = kindOf(type);
    if (preview)
      return { id: "", state: { ...inputs, ...Object.fromEntries(kind.outputs.map((key) => [key, unknown])) } };
    this.requireHomeRegion(kind);
    const properties = unwrap(inputs);
    const made = Date.now();
    const id = await this.make(type, kind, properties);
    const outputs: Properties = {
      timeCreated: new Date(made).toISOString(),
      ...(kind.outputs.includes("state") ? { state: "ACTIVE" } : {}),
      ...(type === bucketType ? { bucketId: ocid("bucket", this.region), etag: randomBytes(16).toString("hex") } : {}),
    };
    this.home.put({ id, type, made, properties: { ...properties, ...outputs } });
    // Shown once: what is recorded does not have it.
    const once: Properties = type === keyType ? { key: randomBytes(32).toString("base64") } : {};
    return { id, state: { ...inputs, ...outputs, ...once } };
  }

  async read({ type, id, state, inputs }: ResourceRequest & { id: string; state: Properties; inputs: Properties }) {
    const found = this.home.get(id);
    if (found?.type !== type || (type === bucketType && !(await this.store.hasBucket(text(found.properties.name)))))
      return undefined;
    const current = Object.fromEntries(
      Object.keys(inputs).map((key) => [
        key,
        equal(inputs[key], found.properties[key]) ? inputs[key] : found.properties[key],
      ]),
    ) as Properties;
    return { id, state: { ...state, ...found.properties }, inputs: current };
  }

  async update(request: ResourceRequest & { id: string; state: Properties; news: Properties; preview: boolean }) {
    const { type, id, state, news, preview } = request;
    if (preview) return { ...state, ...news };
    this.requireHomeRegion(kindOf(type));
    const found = this.home.get(id);
    if (found === undefined) throw new Error(`404-NotAuthorizedOrNotFound, ${id} was not found`);
    const properties = unwrap(news);
    if (type === lifecycleType) this.requireServicePermission(properties);
    if (type === bucketType && !equal(properties.versioning, found.properties.versioning))
      await this.setVersioning(properties);
    this.home.put({ ...found, made: Date.now(), properties: { ...found.properties, ...properties } });
    return { ...state, ...news };
  }

  async delete({ type, id }: ResourceRequest & { id: string }): Promise<void> {
    this.requireHomeRegion(kindOf(type));
    const found = this.home.get(id);
    if (found === undefined) return;
    if (type === bucketType) {
      const name = text(found.properties.name);
      await this.store.deleteBucket(name).catch((error: unknown) => {
        if (error instanceof S3Error && error.code === "BucketNotEmpty")
          throw new Error(`409-BucketNotEmpty, Bucket named '${name}' is not empty. Delete all objects first.`);
        if (!(error instanceof S3Error && error.code === "NoSuchBucket")) throw error;
      });
    }
    this.home.delete(id);
  }

  cancel(): void {
    // Nothing runs for longer than a moment.
  }

  /** Makes it and answers with its id. */
  private async make(type: string, kind: Kind, properties: Properties): Promise<string> {
    if (kind.unique === true && this.home.ofType(type).some((one) => one.properties.name === properties.name))
      throw new Error(`409-${type.split(":").at(-1) ?? ""}AlreadyExists, ${text(properties.name)} exists already`);
    for (const key of ["userId", "groupId"])
      if (properties[key] !== undefined && this.home.get(text(properties[key])) === undefined)
        throw new Error(`404-NotAuthorizedOrNotFound, ${key} ${text(properties[key])} was not found`);
    switch (type) {
      case bucketType:
        await this.makeBucket(properties);
        return `n/${text(properties.namespace)}/b/${text(properties.name)}`;
      case lifecycleType:
        this.requireServicePermission(properties);
        return `n/${text(properties.namespace)}/b/${text(properties.bucket)}/l`;
      case policyType:
        this.requireGroups(properties.statements);
        break;
      case keyType:
        if (this.home.ofType(type).filter((one) => one.properties.userId === properties.userId).length >= keysOfUser)
          throw new Error(`400-LimitExceeded, a user has at most ${String(keysOfUser)} customer secret keys`);
        return randomBytes(20).toString("hex");
    }
    return ocid(kind.ocid ?? "resource", "");
  }

  private async makeBucket(properties: Properties): Promise<void> {
    const name = text(properties.name);
    if (await this.store.hasBucket(name))
      throw new Error(
        `409-BucketAlreadyExists, Either the bucket '${name}' in namespace exists or you are not authorized`,
      );
    await this.store.createBucket(name);
    if (properties.versioning === "Enabled") await this.setVersioning(properties);
  }

  private setVersioning({ name, versioning }: Properties): Promise<void> {
    return this.store.setVersioning(text(name), versioning === "Enabled" ? "Enabled" : "Suspended");
  }

  /** Lifecycle rules are refused until a policy lets Object Storage keep them in the bucket's compartment, and has reached it. */
  private requireServicePermission({ namespace, bucket }: Properties): void {
    const compartment = text(this.home.get(`n/${text(namespace)}/b/${text(bucket)}`)?.properties.compartmentId);
    const allows = `Allow service objectstorage-${this.region} to manage object-family in compartment id ${compartment}`;
    const granted = this.home
      .ofType(policyType)
      .filter(({ made }) => made + policyDelay < Date.now())
      .flatMap(({ properties }) => properties.statements ?? []);
    if (!granted.some((statement) => text(statement).startsWith(allows)))
      throw new Error(
        "400-InsufficientServicePermissions, Permissions granted to the object storage service principal " +
          `"objectstorage-${this.region}" to this bucket are insufficient.`,
      );
  }

  private requireGroups(statements: Value | undefined): void {
    for (const [, group = ""] of JSON.stringify(statements).matchAll(/group id (\S+)/g))
      if (this.home.get(group) === undefined)
        throw new Error(`400-InvalidParameter, the policy names a group that does not exist: ${group}`);
  }

  private requireHomeRegion(kind: Kind): void {
    const home = process.env.NAYTIFE_OCI_STAND_IN_HOME_REGION ?? this.region;
    if (kind.identity === true && home !== this.region)
      throw new Error(
        `403-NotAllowed, Please go to your home region ${home} to execute CREATE, UPDATE and DELETE operations.`,
      );
  }

  private get home(): Tenancy {
    if (this.tenancy === undefined) throw new Error("the stand-in for oci was not configured");
    return this.tenancy;
  }

  private get store(): S3 {
    if (this.s3 === undefined) throw new Error("the stand-in for oci was not configured");
    return this.s3;
  }
}

function kindOf(type: string): Kind {
  const kind = kinds[type];
  if (kind === undefined)
    throw new Error(`the stand-in for oci has no ${type}, only ${Object.keys(kinds).join(" and ")}`);
  return kind;
}

/** What goes with what: the reference of ObjectLifecycleRule in OCI's API. */
function problemsOfRules(rules: Value | undefined): { property: string; reason: string }[] {
  if (!Array.isArray(rules) || containsUnknown(rules)) return [];
  return rules.flatMap((rule, index) => {
    const { target = "objects", action, timeAmount, timeUnit } = isObject(rule) ? rule : {};
    const fits =
      (target === "multipart-uploads" ? ["ABORT"] : ["ARCHIVE", "INFREQUENT_ACCESS", "DELETE"]).includes(
        text(action),
      ) &&
      ["objects", "multipart-uploads", "previous-object-versions"].includes(text(target)) &&
      /^\d+$/.test(text(timeAmount)) &&
      ["DAYS", "YEARS"].includes(text(timeUnit));
    return fits
      ? []
      : [{ property: `rules[${String(index)}]`, reason: `OCI has no such rule: ${JSON.stringify(rule)}` }];
  });
}

function ocid(kind: string, region: string): string {
  return `ocid1.${kind}.oc1.${region}.aaaaaaaa${randomBytes(26).toString("hex")}`;
}

function text(value: Value | undefined): string {
  return typeof value === "string" ? value : "";
}

function withoutNulls(properties: Properties): Properties {
  return Object.fromEntries(Object.entries(properties).filter(([, value]) => value !== null));
}
