/**
 * Stand-in for the provider of @pulumi/kubernetes: plain kinds, custom resources and patches, by server-side apply, on a real API server.
 * docs/decisions/provider-behaviours.md lists what it does as the official one does. Not here: client-side apply, charts (a Helm
 * Release can be previewed, not made), remote components, validation against the OpenAPI schema other than the server's own.
 */
import { createHash, randomBytes } from "node:crypto";
import type { CheckAnswer, Difference, EngineLog, Provider, ResourceRequest } from "../provider";
import { IncompleteResource } from "../provider";
import {
  containsUnknown,
  equal,
  isObject,
  isSecret,
  isUnknown,
  markSecretsLike,
  secret,
  unwrap,
  type Properties,
  type Value,
} from "../values";
import { ApiError, ApiServer, isNotFound, objectPath, type RequestBody, type Resource } from "./api-server";
import { difference, isIgnored, prune } from "./difference";
import { isAutonamed, replaces, replacingPaths } from "./replacement";
import { isClusterScoped } from "./scope";
import { NotReady, timeoutSeconds, waitUntilGone, waitUntilReady, type Wait } from "./wait";

const helmRelease = "kubernetes:helm.sh/v3:Release";

/** What the provider adds to an object in the state, as the official one does. */
const bookkeeping = ["__inputs", "__initialApiVersion", "__fieldManager"];

/** How often a create is tried while its namespace or its kind is not there yet; the pause doubles from one second. */
const createAttempts = 5;

export class KubernetesProvider implements Provider {
  private server: ApiServer | undefined;
  private unreachable = "the provider is not configured";
  private settings: Properties = {};
  private readonly cancelled = new AbortController();

  constructor(
    readonly version: string,
    private readonly log: EngineLog,
  ) {}

  async configure(marked: Properties): Promise<void> {
    this.settings = unwrap(marked);
    try {
      this.server = await ApiServer.connect(this.setting("kubeconfig"), this.setting("context"), (message) => {
        this.log.warning(message);
      });
    } catch (error) {
      // A preview does without a cluster; whatever needs one says why there is none.
      this.unreachable = error instanceof Error ? error.message : String(error);
    }
  }

  settingsThatReplace(olds: Properties, news: Properties): string[] {
    const identifier = "clusterIdentifier";
    const [before, after] = [olds[identifier], news[identifier]];
    if (before !== undefined && after !== undefined) return equal(before, after) ? [] : [identifier];
    if (after !== undefined || before !== undefined) return [];
    return ["kubeconfig", "context", "cluster"].filter((key) => !equal(olds[key], news[key]));
  }

  async check(request: ResourceRequest & { olds: Properties | undefined; news: Properties }): Promise<CheckAnswer> {
    if (request.type === helmRelease) return { inputs: request.news };
    const inputs = normalize(withoutNulls(request.news));
    const metadata: Properties = { ...part(inputs, "metadata") };
    const old = request.olds === undefined ? {} : part(request.olds, "metadata");
    if (metadata.generateName !== undefined && metadata.name === undefined)
      throw new Error("the `.metadata.generateName` field is not supported in Server-Side Apply mode");
    if (metadata.name === undefined) {
      if (isPatch(request.type, inputs))
        throw new Error("patch resources require the `.metadata.name` field to be set");
      const kept = request.olds !== undefined && isAutonamed(unwrap(request.olds)) ? old.name : undefined;
      metadata.name = kept ?? `${request.name}-${randomBytes(4).toString("hex")}`;
      metadata.annotations = { ...part(metadata, "annotations"), "pulumi.com/autonamed": "true" };
    }
    if (metadata.namespace === undefined && (await this.isNamespaced(inputs)))
      metadata.namespace = this.setting("namespace") ?? "default";
    return { inputs: markSecretData({ ...inputs, metadata }) };
  }

  async diff(
    request: ResourceRequest & {
      state: Properties;
      news: Properties;
      oldInputs: Properties;
      ignoreChanges: readonly string[];
    },
  ): Promise<Difference> {
    const news = unwrap(normalize(request.news));
    const state = unwrap(request.state);
    if (request.type === helmRelease) {
      const changes = difference(unwrap(request.oldInputs), unwrap(request.oldInputs), news);
      return { changes, replaces: [] };
    }
    const live = Object.fromEntries(Object.entries(state).filter(([key]) => !bookkeeping.includes(key)));
    const oldInputs = normalize(isObject(state.__inputs) ? state.__inputs : unwrap(request.oldInputs));
    const namespaced = await this.isNamespaced(news);
    for (const object of [live, oldInputs, news]) canonicalNamespace(object, namespaced);
    const changes = difference(live, oldInputs, news);
    for (const path of changes.keys()) if (isIgnored(path, request.ignoreChanges)) changes.delete(path);

    const replacing = isPatch(request.type, news)
      ? ["metadata.name", "metadata.namespace"]
      : replacingPaths(news, {
          secrets: this.settings.enableSecretMutable === true,
          configMaps: this.settings.enableConfigMapMutable === true,
        });
    const replaced = [...changes.keys()].filter((path) => replaces(path, replacing));
    const [before, after] = [part(live, "metadata"), part(news, "metadata")];
    // Where the new object must have the old one's name, the old one has to go first.
    const samePlace = equal(before.name, after.name) && equal(before.namespace, after.namespace);
    return {
      changes,
      replaces: replaced,
      deleteBeforeReplace: replaced.length > 0 && !isAutonamed(news) && samePlace && !isUnknown(after.name),
    };
  }

  async create(
    request: ResourceRequest & { inputs: Properties; preview: boolean; timeoutSeconds: number },
  ): Promise<{ id: string; state: Properties }> {
    const { inputs: marked, preview, type, urn } = request;
    if (type === helmRelease && !preview)
      throw new Error(
        "The project's stand-in for Pulumi's kubernetes plugin does not install Helm charts. Nothing was changed. " +
          "Use the official plugin, or install the operator from its manifest (config operatorManifest and operatorManifestSha256).",
      );
    const inputs = unwrap(marked);
    if (!preview && this.server === undefined) throw this.unreachableError();
    const untried = { id: "", state: marked };
    if (preview && (type === helmRelease || containsUnknown(inputs) || isPatch(type, inputs))) return untried;
    if (preview && (this.server === undefined || (await this.find(inputs)) === undefined)) return untried;

    const fieldManager = fieldManagerOf(inputs, undefined);
    const upsert = this.settings.upsertExistingObjects === true || isPatch(type, inputs);
    const query: Record<string, string> = preview ? { dryRun: "All" } : {};
    let live: Properties;
    try {
      live = await this.retry(preview, urn, async () => {
        const resource = await this.resourceOf(inputs);
        const { name, namespace } = identity(inputs);
        if (upsert) return this.apply(resource, inputs, fieldManager, { ...query, force: this.force(inputs, preview) });
        return this.connected
          .request("POST", objectPath(resource, namespace), json(toApi(inputs)), {
            ...query,
            fieldManager: "pulumi-kubernetes",
            fieldValidation: "Warn",
          })
          .catch((error: unknown) => {
            throw alreadyExists(error, name);
          });
      });
    } catch (error) {
      if (preview && cannotPreview(error)) return untried;
      if (error instanceof NoSuchKind) throw error;
      throw new Error(
        `resource ${JSON.stringify(urn)} was not successfully created by the Kubernetes API server: ${messageOf(error)}`,
        { cause: error },
      );
    }
    if (preview) {
      delete live.status;
      return { id: "", state: checkpoint(marked, live, fieldManager) };
    }
    const id = idOf(live);
    try {
      live = await waitUntilReady(await this.wait(request, live), { ...live, ...annotationsOf(inputs, live) });
    } catch (error) {
      const last = error instanceof NotReady ? error.object : live;
      throw incomplete(
        `resource ${JSON.stringify(urn)} was successfully created, but the Kubernetes API server reported that it failed ` +
          "to fully initialize or become live",
        error,
        id,
        checkpoint(marked, last, fieldManager),
      );
    }
    return { id, state: checkpoint(marked, live, fieldManager) };
  }

  async read(
    request: ResourceRequest & { id: string; state: Properties; inputs: Properties },
  ): Promise<{ id: string; state: Properties; inputs: Properties } | undefined> {
    const { id, type, inputs: marked } = request;
    if (type === helmRelease) return { id, state: request.state, inputs: marked };
    if (this.server === undefined) {
      if (this.settings.deleteUnreachable === true) return undefined;
      if (this.settings.skipUpdateUnreachable === true) return { id, state: request.state, inputs: marked };
      throw this.unreachableError(
        "If the cluster was deleted, set the provider option deleteUnreachable to remove its resources from the state.",
      );
    }
    const known = Object.keys(marked).length > 0;
    const [namespace, name = ""] = id.includes("/") ? id.split("/") : [undefined, id];
    const object = known ? unwrap(normalize(marked)) : objectOfType(type, name, namespace);
    const resource = await this.find(object);
    if (resource === undefined) return undefined;
    let live: Properties;
    try {
      live = await this.connected.request("GET", objectPath(resource, namespace ?? identity(object).namespace, name));
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
    const liveInputs = known ? asObject(prune(live, object)) : importedInputs(live);
    const inputs = markSecretData(asObject(markSecretsLike(liveInputs, normalize(marked))));
    const fieldManager = fieldManagerOf(object, request.state);
    return { id, state: checkpoint(inputs, live, fieldManager), inputs };
  }

  async update(
    request: ResourceRequest & {
      id: string;
      state: Properties;
      news: Properties;
      preview: boolean;
      timeoutSeconds: number;
      ignoreChanges: readonly string[];
    },
  ): Promise<Properties> {
    const { type, preview, id } = request;
    if (type === helmRelease) {
      if (preview) return request.news;
      throw new Error(
        "The project's stand-in for Pulumi's kubernetes plugin does not upgrade Helm charts. Nothing was changed.",
      );
    }
    const news = unwrap(request.news);
    const state = unwrap(request.state);
    if (!preview && this.server === undefined) throw this.unreachableError();
    if (preview && (this.server === undefined || containsUnknown(news) || (await this.find(news)) === undefined))
      return request.news;

    const resource = await this.resourceOf(news);
    const { name, namespace } = identity(news);
    const path = objectPath(resource, namespace, name);
    const fieldManager = fieldManagerOf(news, request.state);
    const query: Record<string, string> = preview ? { dryRun: "All" } : {};
    let live: Properties | undefined;
    try {
      let current: Properties | undefined;
      try {
        current = await this.connected.request("GET", path);
      } catch (error) {
        if (!isNotFound(error)) throw error; // Deleted by someone else: the apply makes it again.
      }
      // A patch answers for its own fields alone, whoever made the object.
      if (current !== undefined && !preview && !isPatch(type, news) && news.kind !== "CustomResourceDefinition")
        current = await this.adoptCreatedFields(path, current, fieldManager);
      const wanted = keepIgnored(news, current, request.ignoreChanges, fieldManager);
      if (current !== undefined && news.kind === "CustomResourceDefinition") {
        const resourceVersion = part(current, "metadata").resourceVersion ?? null;
        const metadata = { ...part(toApi(wanted), "metadata"), resourceVersion };
        live = await this.connected.request("PUT", path, json({ ...toApi(wanted), metadata }), {
          ...query,
          fieldManager,
        });
      } else {
        const force = this.force(news, preview, current);
        live = await this.apply(resource, wanted, fieldManager, { ...query, force });
      }
      if (!preview)
        live = await waitUntilReady(await this.wait({ ...request, inputs: news }, live), {
          ...live,
          ...annotationsOf(news, live),
        });
    } catch (error) {
      if (preview && error instanceof ApiError && error.status === 403) return request.news;
      const last =
        error instanceof NotReady ? error.object : await this.connected.request("GET", path).catch(() => undefined);
      if (preview || last === undefined)
        throw new Error(`update of resource ${JSON.stringify(request.urn)} failed: ${messageOf(error)}`, {
          cause: error,
        });
      throw incomplete(
        `the Kubernetes API server reported that ${JSON.stringify(id)} failed to fully initialize or become live`,
        error,
        id,
        checkpoint(request.news, last, fieldManager),
      );
    }
    const before = fieldManagerOf(isObject(state.__inputs) ? state.__inputs : {}, state);
    if (!preview && before !== fieldManager) await this.relinquish(resource, news, before);
    return checkpoint(request.news, live, fieldManager);
  }

  async delete(request: ResourceRequest & { id: string; state: Properties; timeoutSeconds: number }): Promise<void> {
    const { type, state: marked, id } = request;
    if (type === helmRelease)
      throw new Error("The project's stand-in for Pulumi's kubernetes plugin does not remove Helm charts.");
    if (this.server === undefined) {
      if (this.settings.deleteUnreachable === true) return;
      throw this.unreachableError();
    }
    const state = unwrap(marked);
    const inputs = isObject(state.__inputs) ? state.__inputs : state;
    const resource = await this.find(state);
    if (resource === undefined) return; // Its kind is gone, and so is the object.
    const [namespace, name = ""] = id.includes("/") ? id.split("/") : [undefined, id];
    const path = objectPath(resource, namespace, name);
    if (isPatch(type, inputs)) {
      const current = await this.connected.request("GET", path).catch((error: unknown) => {
        if (isNotFound(error)) return undefined;
        throw error;
      });
      if (current !== undefined) await this.relinquish(resource, inputs, fieldManagerOf(inputs, state));
      return;
    }
    const policy = part(part(inputs, "metadata"), "annotations")["pulumi.com/deletionPropagationPolicy"];
    const propagationPolicy =
      { orphan: "Orphan", background: "Background" }[typeof policy === "string" ? policy.toLowerCase() : ""] ??
      "Foreground";
    let deleted: Properties;
    try {
      deleted = await this.connected.request(
        "DELETE",
        path,
        json({ kind: "DeleteOptions", apiVersion: "v1", propagationPolicy }),
      );
    } catch (error) {
      if (isNotFound(error)) return;
      throw error;
    }
    const uid = part(deleted, "metadata").uid ?? part(deleted, "details").uid;
    await waitUntilGone(
      await this.wait(
        { ...request, inputs },
        { ...state, metadata: { name, ...(namespace === undefined ? {} : { namespace }) } },
      ),
      uid,
    );
  }

  cancel(): void {
    this.cancelled.abort();
  }

  private get connected(): ApiServer {
    if (this.server === undefined) throw this.unreachableError();
    return this.server;
  }

  private unreachableError(advice = ""): Error {
    return new Error(
      `configured Kubernetes cluster is unreachable: ${this.unreachable}${advice === "" ? "" : `\n${advice}`}`,
    );
  }

  private setting(name: string): string | undefined {
    const value = this.settings[name];
    return typeof value === "string" && value !== "" ? value : isObject(value) ? JSON.stringify(value) : undefined;
  }

  private async find(object: Properties): Promise<Resource | undefined> {
    const { apiVersion, kind } = object;
    if (typeof apiVersion !== "string" || typeof kind !== "string")
      throw new Error("a Kubernetes object needs an apiVersion and a kind");
    return this.connected.resource(apiVersion, kind);
  }

  private async resourceOf(object: Properties): Promise<Resource> {
    const resource = await this.find(object);
    if (resource === undefined) throw new NoSuchKind(object);
    return resource;
  }

  /** A kind that nobody knows yet is taken for a namespaced one. */
  private async isNamespaced({ apiVersion, kind }: Properties): Promise<boolean> {
    if (typeof apiVersion !== "string" || typeof kind !== "string" || containsUnknown([apiVersion, kind])) return true;
    if (isClusterScoped(apiVersion, kind)) return false;
    const resource = await this.server?.resource(apiVersion, kind);
    return resource?.namespaced ?? true;
  }

  private apply(
    resource: Resource,
    object: Properties,
    fieldManager: string,
    query: Record<string, string>,
  ): Promise<Properties> {
    const { name, namespace } = identity(object);
    const body: RequestBody = { content: toApi(object), type: "application/apply-patch+yaml" };
    return this.connected
      .request("PATCH", objectPath(resource, namespace, name), body, {
        fieldManager,
        fieldValidation: "Warn",
        ...query,
      })
      .catch((error: unknown) => {
        if (!(error instanceof ApiError && error.status === 409)) throw error;
        throw new Error(
          "server-side apply field conflict detected: another manager owns a field that the program sets. Remove the field from " +
            'the program, or take it over with the annotation pulumi.com/patchForce: "true".\n' +
            `The resource managed by field manager ${JSON.stringify(fieldManager)} had an apply conflict: ${error.message}`,
          { cause: error },
        );
      });
  }

  /** Gives up a manager's fields, by applying none: those that nobody else manages go, or back to their defaults. */
  private async relinquish(resource: Resource, object: Properties, fieldManager: string): Promise<void> {
    const { name, namespace } = identity(object);
    const { apiVersion = "", kind = "" } = object;
    const metadata = { name, ...(namespace === undefined ? {} : { namespace }) };
    await this.apply(resource, { apiVersion, kind, metadata }, fieldManager, {});
  }

  /** Whether an apply takes fields from other managers. */
  private force(inputs: Properties, preview: boolean, current?: Properties): string {
    const annotated = part(part(inputs, "metadata"), "annotations")["pulumi.com/patchForce"];
    if (annotated === "true" || this.settings.enablePatchForce === true) return "true";
    // At the preview of a replacement the old object is still there, and owns everything.
    if (preview && current === undefined) return "true";
    return preview && current !== undefined && createdFields(current) !== undefined ? "true" : "false";
  }

  /** An object made by POST belongs to `pulumi-kubernetes`; before the first apply its fields go over to the apply's manager. */
  private async adoptCreatedFields(path: string, current: Properties, fieldManager: string): Promise<Properties> {
    const created = createdFields(current);
    if (created === undefined) return current;
    const entries = managedFields(current);
    const own = entries.find((entry) => entry.manager === fieldManager && entry.operation === "Apply");
    const merged: Properties = {
      ...created,
      manager: fieldManager,
      operation: "Apply",
      fieldsV1: union(part(created, "fieldsV1"), own === undefined ? {} : part(own, "fieldsV1")),
    };
    const rest = entries.filter((entry) => entry !== created && entry !== own);
    const resourceVersion = part(current, "metadata").resourceVersion ?? null;
    return this.connected.request("PATCH", path, {
      type: "application/json-patch+json",
      content: [
        { op: "test", path: "/metadata/resourceVersion", value: resourceVersion },
        { op: "replace", path: "/metadata/managedFields", value: [merged, ...rest] },
      ],
    });
  }

  private async retry(preview: boolean, urn: string, attempt: () => Promise<Properties>): Promise<Properties> {
    for (let count = 1; ; count++) {
      try {
        return await attempt();
      } catch (error) {
        const missing = isNotFound(error) || error instanceof NoSuchKind;
        if (!missing || preview || count >= createAttempts || this.cancelled.signal.aborted) throw error;
        this.log.progress(`Retry #${String(count)}; creation failed: ${messageOf(error)}`, urn);
        await new Promise((resolve) => setTimeout(resolve, 1000 * 2 ** (count - 1)));
      }
    }
  }

  private async wait(
    request: { urn: string; timeoutSeconds: number; inputs: Properties },
    object: Properties,
  ): Promise<Wait> {
    const { name, namespace } = identity(object);
    return {
      server: this.connected,
      resource: await this.resourceOf(object),
      name,
      namespace,
      timeoutSeconds: timeoutSeconds(request.timeoutSeconds, unwrap(request.inputs)),
      signal: this.cancelled.signal,
      progress: (message) => {
        this.log.progress(message, request.urn);
      },
    };
  }
}

class NoSuchKind extends Error {
  constructor({ apiVersion, kind }: Properties) {
    super(
      `the Kubernetes API server has no kind ${JSON.stringify(kind)} in ${JSON.stringify(apiVersion)}: the apiVersion for this resource does not ` +
        "exist. Verify that any required CRDs have been created",
    );
  }
}

/** A preview goes on where the server could not try the object for a reason that `up` will have mended. */
function cannotPreview(error: unknown): boolean {
  const cause = error instanceof Error && error.cause instanceof ApiError ? error.cause : error;
  if (!(cause instanceof ApiError)) return false;
  if (cause.status === 403 || cause.reason === "AlreadyExists") return true;
  return cause.status === 404 && cause.missing === "namespaces";
}

function alreadyExists(error: unknown, name: string): unknown {
  if (!(error instanceof ApiError && error.reason === "AlreadyExists")) return error;
  return new Error(
    `${error.message}\n\nThe resource ${JSON.stringify(name)} already exists in the cluster and is not in this stack's state. ` +
      "Import it with `pulumi import`, keep its identity with an alias if it was renamed, or set upsertExistingObjects on the " +
      "provider to take over objects that exist.",
    { cause: error },
  );
}

function incomplete(headline: string, error: unknown, id: string, state: Properties): IncompleteResource {
  const message = `${headline}: ${messageOf(error)}`;
  return new IncompleteResource(message, id, state, [message, ...(error instanceof NotReady ? error.reasons : [])]);
}

/** The state of an object: the live object and what the provider needs later, with the inputs' secrets marked again. */
function checkpoint(inputs: Properties, live: Properties, fieldManager: string): Properties {
  const marked = markSecretData(asObject(markSecretsLike(fromApi(live), inputs)));
  return {
    ...marked,
    __inputs: markSecretData(inputs),
    __initialApiVersion: inputs.apiVersion ?? "",
    __fieldManager: fieldManager,
  };
}

/** A Secret's values are secret, whatever the program said of them. */
function markSecretData(object: Properties): Properties {
  if (object.apiVersion !== "v1" || object.kind !== "Secret") return object;
  return Object.fromEntries(
    Object.entries(object).map(([key, value]) => [key, key === "data" || key === "stringData" ? secret(value) : value]),
  );
}

/** As the API server keeps it: a Secret's `stringData` becomes `data`. */
function normalize(object: Properties): Properties {
  const { stringData, ...rest } = object;
  if (object.kind !== "Secret" || stringData === undefined || containsUnknown(stringData)) return object;
  const plain = unwrap(stringData);
  if (!isObject(plain)) return object;
  const encoded = Object.fromEntries(
    Object.entries(plain).map(([key, value]) => [
      key,
      Buffer.from(typeof value === "string" ? value : "").toString("base64"),
    ]),
  );
  const data = unwrap(rest.data ?? {});
  return { ...rest, data: secret({ ...(isObject(data) ? data : {}), ...encoded }) };
}

/** Keys as the API has them: the SDK writes `x_kubernetes_…` for a schema's `x-kubernetes-…`. */
function toApi(object: Properties): Properties {
  return object.kind === "CustomResourceDefinition" ? asObject(renameKeys(object, /^x_kubernetes_/, "_", "-")) : object;
}

function fromApi(object: Properties): Properties {
  return object.kind === "CustomResourceDefinition" ? asObject(renameKeys(object, /^x-kubernetes-/, "-", "_")) : object;
}

function renameKeys(value: Value, pattern: RegExp, from: string, to: string): Value {
  if (Array.isArray(value)) return value.map((item) => renameKeys(item, pattern, from, to));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      pattern.test(key) ? key.replaceAll(from, to) : key,
      renameKeys(item, pattern, from, to),
    ]),
  );
}

/** What the live object says steers the wait, and the inputs before it; whether to wait at all is the inputs' word alone. */
function annotationsOf(inputs: Properties, live: Properties): Properties {
  const wanted = part(part(inputs, "metadata"), "annotations");
  const metadata = part(live, "metadata");
  const annotations = { ...part(metadata, "annotations") };
  delete annotations["pulumi.com/skipAwait"];
  return { metadata: { ...metadata, annotations: { ...annotations, ...wanted } } };
}

/**
 * What is applied under ignoreChanges. A field that others manage and this manager does not is left to them; any other keeps
 * its live value, so that the apply neither changes it nor gives it up.
 */
function keepIgnored(
  news: Properties,
  current: Properties | undefined,
  ignored: readonly string[],
  fieldManager: string,
): Properties {
  if (current === undefined || ignored.length === 0) return news;
  const copy = structuredClone(news);
  const entries = managedFields(current);
  for (const path of ignored) {
    const keys = path.split(".");
    const managed = (ours: boolean) =>
      entries.some(
        (entry) =>
          (entry.manager === fieldManager) === ours &&
          at(
            part(entry, "fieldsV1"),
            keys.map((key) => `f:${key}`),
          ) !== undefined,
      );
    const live = managed(false) && !managed(true) ? null : at(current, keys);
    if (live !== undefined) put(copy, keys, live);
  }
  return copy;
}

function at(object: Value, keys: readonly string[]): Value | undefined {
  return keys.reduce<Value | undefined>((value, key) => (isObject(value) ? value[key] : undefined), object);
}

/** Sets a field, or removes it with null. */
function put(object: Properties, [key = "", ...rest]: readonly string[], value: Value): void {
  const inner = object[key];
  if (rest.length === 0) {
    if (value === null) Reflect.deleteProperty(object, key);
    else object[key] = value;
  } else if (isObject(inner)) put(inner, rest, value);
  else if (value !== null) {
    const made: Properties = {};
    object[key] = made;
    put(made, rest, value);
  }
}

function fieldManagerOf(inputs: Properties, state: Properties | undefined): string {
  const annotated = part(part(inputs, "metadata"), "annotations")["pulumi.com/patchFieldManager"];
  if (typeof annotated === "string" && annotated !== "") return annotated;
  const kept = state?.__fieldManager;
  if (typeof kept === "string" && kept !== "") return kept;
  return `pulumi-kubernetes-${createHash("sha256").update(randomBytes(16)).digest("hex").slice(0, 8)}`;
}

function managedFields(object: Properties): Properties[] {
  const entries = part(object, "metadata").managedFields;
  return Array.isArray(entries) ? entries.filter(isObject) : [];
}

function createdFields(object: Properties): Properties | undefined {
  return managedFields(object).find(
    (entry) => entry.manager === "pulumi-kubernetes" && entry.operation === "Update" && entry.subresource === undefined,
  );
}

/** Field sets are trees whose leaves are empty objects. */
function union(left: Properties, right: Properties): Properties {
  const merged: Properties = { ...left };
  for (const [key, value] of Object.entries(right)) {
    const other = merged[key];
    merged[key] = isObject(other) && isObject(value) ? union(other, value) : value;
  }
  return merged;
}

/** Whether the resource is one of the …Patch types, which manage some fields of an object and not its life. */
function isPatch(type: string, { kind }: Properties): boolean {
  return typeof kind === "string" && type.endsWith(`:${kind}Patch`);
}

/** `kubernetes:<group>/<version>:<Kind>`, with `core` for the group that has no name. */
function objectOfType(type: string, name: string, namespace: string | undefined): Properties {
  const [, apiVersion = "", kind = ""] = type.split(":");
  return {
    apiVersion: apiVersion.replace(/^core\//, ""),
    kind: kind.replace(/Patch$/, ""),
    metadata: { name, ...(namespace === undefined ? {} : { namespace }) },
  };
}

/** What a program would have to say to get an object that was made by somebody else. */
function importedInputs(live: Properties): Properties {
  const rest = Object.fromEntries(Object.entries(live).filter(([key]) => key !== "status"));
  const { name, namespace, labels, annotations } = part(live, "metadata");
  const own = Object.entries({ name, namespace, labels, annotations }).filter(
    (entry): entry is [string, Value] => entry[1] !== undefined,
  );
  return { ...rest, metadata: Object.fromEntries(own) };
}

function identity(object: Properties): { name: string; namespace: string | undefined } {
  const { name, namespace } = part(object, "metadata");
  if (typeof name !== "string") throw new Error("a Kubernetes object needs a metadata.name");
  return { name, namespace: typeof namespace === "string" && namespace !== "" ? namespace : undefined };
}

function idOf(live: Properties): string {
  const { name, namespace } = identity(live);
  return namespace === undefined ? name : `${namespace}/${name}`;
}

function canonicalNamespace(object: Properties, namespaced: boolean): void {
  const { namespace, ...metadata } = part(object, "metadata");
  object.metadata = namespaced ? { ...metadata, namespace: namespace ?? "default" } : metadata;
}

function part(object: Properties, key: string): Properties {
  const value = object[key];
  if (isSecret(value)) return asObject(unwrap(value));
  return isObject(value) ? value : {};
}

function asObject(value: Value): Properties {
  return isObject(value) ? value : {};
}

function json(content: Value): RequestBody {
  return { content, type: "application/json" };
}

function withoutNulls(object: Properties): Properties {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
