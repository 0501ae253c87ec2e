/** The Kubernetes API as the provider needs it: one authenticated request, and what kinds there are. */
import { KubeConfig } from "@kubernetes/client-node";
import { existsSync } from "node:fs";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest, type RequestOptions } from "node:https";
import { isObject, type Properties, type Value } from "../values";

/** An object as the API server knows it. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string } & Properties;
  readonly [field: string]: Value;
}

/** The API server's answer to a request that it refused. */
export class ApiError extends Error {
  constructor(
    message: string,
    /** HTTP status. */
    readonly status: number,
    /** Kubernetes' own word, for instance `AlreadyExists`. */
    readonly reason: string,
    /** Kind of what was not found, or "". */
    readonly missing: string,
  ) {
    super(message);
  }
}

/** How a kind is reached. */
export interface Resource {
  /** `/api/v1` or `/apis/<group>/<version>`. */
  readonly prefix: string;
  readonly plural: string;
  readonly namespaced: boolean;
}

export interface RequestBody {
  readonly content: Value;
  readonly type: "application/json" | "application/apply-patch+yaml" | "application/json-patch+json";
}

/** How long the API server may take for one answer. */
const requestTimeoutMilliseconds = 60_000;
const probeTimeoutMilliseconds = 5_000;

export class ApiServer {
  private readonly resources = new Map<string, Map<string, Resource>>();

  private constructor(
    private readonly config: KubeConfig,
    private readonly server: string,
    private readonly warn: (message: string) => void,
  ) {}

  /**
   * Reads the kubeconfig and asks the server for its version.
   * @param kubeconfig Path or content. Undefined: the ambient one.
   * @throws When the kubeconfig cannot be read, lacks the context, or its server does not answer.
   */
  static async connect(
    kubeconfig: string | undefined,
    context: string | undefined,
    warn: (message: string) => void,
  ): Promise<ApiServer> {
    const config = new KubeConfig();
    if (kubeconfig === undefined) config.loadFromDefault();
    else if (/^\s*[{\n]|apiVersion:/.test(kubeconfig)) config.loadFromString(kubeconfig);
    else if (existsSync(kubeconfig)) config.loadFromFile(kubeconfig);
    else throw new Error(`the kubeconfig ${kubeconfig} does not exist`);
    if (context !== undefined) {
      if (config.getContextObject(context) === null)
        throw new Error(
          `context ${JSON.stringify(context)} does not exist; there are: ` +
            config
              .getContexts()
              .map(({ name }) => name)
              .join(", "),
        );
      config.setCurrentContext(context);
    }
    const cluster = config.getCurrentCluster();
    if (cluster === null) throw new Error("the kubeconfig names no current cluster");
    const server = new ApiServer(config, cluster.server, warn);
    await server.request("GET", "/version", undefined, {}, probeTimeoutMilliseconds);
    return server;
  }

  /**
   * @throws {@link ApiError} when the server refuses.
   */
  async request(
    method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE",
    path: string,
    body?: RequestBody,
    query: Record<string, string> = {},
    timeout = requestTimeoutMilliseconds,
  ): Promise<Properties> {
    const url = new URL(this.server);
    const options: RequestOptions = {
      method,
      protocol: url.protocol,
      hostname: url.hostname.replace(/^\[|\]$/g, ""),
      port: url.port,
      path: `${url.pathname.replace(/\/+$/, "")}${path}${Object.keys(query).length === 0 ? "" : `?${String(new URLSearchParams(query))}`}`,
      headers: { Accept: "application/json", ...(body === undefined ? {} : { "Content-Type": body.type }) },
      timeout,
    };
    await this.config.applyToHTTPSOptions(options);
    const { status, text, warnings } = await new Promise<{ status: number; text: string; warnings: string[] }>(
      (resolve, reject) => {
        const answered = (response: IncomingMessage) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("error", reject);
          response.on("end", () => {
            const header = response.headers.warning;
            resolve({
              status: response.statusCode ?? 0,
              text: Buffer.concat(chunks).toString("utf8"),
              warnings: header === undefined ? [] : [header],
            });
          });
        };
        const sent = url.protocol === "http:" ? httpRequest(options, answered) : httpsRequest(options, answered);
        sent.on("timeout", () => sent.destroy(new Error(`no answer within ${String(timeout / 1000)} s`)));
        sent.on("error", (error) => {
          reject(new Error(`${method} ${url.origin}${path}: ${error.message || String(error)}`, { cause: error }));
        });
        // JSON is YAML, so it does for a server-side apply too.
        sent.end(body === undefined ? undefined : JSON.stringify(body.content));
      },
    );
    for (const warning of warnings) for (const part of warningTexts(warning)) this.warn(part);
    const answer = parse(text);
    if (status < 200 || status > 299) {
      const message = isObject(answer) && typeof answer.message === "string" ? answer.message : text.trim();
      const reason = isObject(answer) && typeof answer.reason === "string" ? answer.reason : "";
      const details = isObject(answer) && isObject(answer.details) ? answer.details : {};
      const missing = typeof details.kind === "string" ? details.kind : "";
      throw new ApiError(message || `HTTP status ${String(status)}`, status, reason, missing);
    }
    return isObject(answer) ? answer : {};
  }

  /** How to reach a kind, or undefined if the server does not have it (yet). */
  async resource(apiVersion: string, kind: string): Promise<Resource | undefined> {
    const known = this.resources.get(apiVersion)?.get(kind);
    if (known !== undefined) return known;
    const prefix = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    let list: Properties;
    try {
      list = await this.request("GET", prefix);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    }
    const found = new Map<string, Resource>();
    for (const entry of Array.isArray(list.resources) ? list.resources : []) {
      if (!isObject(entry)) continue;
      const { name, kind: entryKind, namespaced } = entry;
      if (typeof name !== "string" || typeof entryKind !== "string" || name.includes("/")) continue;
      found.set(entryKind, { prefix, plural: name, namespaced: namespaced === true });
    }
    this.resources.set(apiVersion, found);
    return found.get(kind);
  }
}

/** Path of one object, or of the list that it goes into when `name` is undefined. */
export function objectPath(resource: Resource, namespace: string | undefined, name?: string): string {
  const within = resource.namespaced ? `/namespaces/${encodeURIComponent(namespace ?? "default")}` : "";
  return `${resource.prefix}${within}/${resource.plural}${name === undefined ? "" : `/${encodeURIComponent(name)}`}`;
}

/** Whether the error says that something is not there. */
export function isNotFound(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404;
}

function parse(text: string): Value {
  try {
    return JSON.parse(text) as Value;
  } catch {
    return null;
  }
}

/** The texts of a Warning header (RFC 7234 5.5): `299 - "text", 299 - "text"`. */
function warningTexts(header: string): string[] {
  return [...header.matchAll(/\d{3} \S+ "((?:[^"\\]|\\.)*)"/g)].map(([, text = ""]) => text.replace(/\\(.)/g, "$1"));
}
