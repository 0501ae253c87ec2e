/**
 * The protocol between Pulumi's engine and a resource provider (proto/pulumi/provider.proto), reduced to one typed interface.
 * The generated stubs ship with @pulumi/pulumi; everything that touches them is in this file.
 */
import { Metadata, Server, ServerCredentials, credentials, status, type sendUnaryData } from "@grpc/grpc-js";
import { PluginInfo } from "@pulumi/pulumi/proto/plugin_pb";
import { EngineClient } from "@pulumi/pulumi/proto/engine_grpc_pb";
import { LogRequest, LogSeverity } from "@pulumi/pulumi/proto/engine_pb";
import { ResourceProviderService } from "@pulumi/pulumi/proto/provider_grpc_pb";
import * as messages from "@pulumi/pulumi/proto/provider_pb";
import { Status } from "@pulumi/pulumi/proto/status_pb";
import { Any } from "google-protobuf/google/protobuf/any_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { Struct } from "google-protobuf/google/protobuf/struct_pb";
import type { Properties, Value } from "./values";

/** What every request about one resource says. */
export interface ResourceRequest {
  readonly urn: string;
  /** Type token, for instance `command:local:Command`. */
  readonly type: string;
  /** Logical name. */
  readonly name: string;
}

/** How one property differs. */
export type PropertyChange = "add" | "delete" | "update";

/** What a provider answers to Diff. */
export interface Difference {
  /** Changed properties by path, as `spec.replicas` or `metadata.annotations["a.b/c"]`. */
  readonly changes: ReadonlyMap<string, PropertyChange>;
  /** Those of them that ask for a replacement. */
  readonly replaces: readonly string[];
  readonly deleteBeforeReplace?: boolean;
}

/** A resource provider. Each method may throw: the message becomes the resource's error. */
export interface Provider {
  readonly version: string;
  configure(settings: Properties): Promise<void> | void;
  /** Names of the provider's settings whose change replaces every resource of it. */
  settingsThatReplace?(olds: Properties, news: Properties): string[];
  check(
    request: ResourceRequest & { olds: Properties | undefined; news: Properties },
  ): Promise<CheckAnswer> | CheckAnswer;
  diff(
    request: ResourceRequest & {
      id: string;
      /** The resource's state. */
      state: Properties;
      news: Properties;
      oldInputs: Properties;
      ignoreChanges: readonly string[];
    },
  ): Promise<Difference> | Difference;
  create(
    request: ResourceRequest & { inputs: Properties; preview: boolean; timeoutSeconds: number },
  ): Promise<{ id: string; state: Properties }>;
  /** Answers undefined when the resource is gone. */
  read(
    request: ResourceRequest & { id: string; state: Properties; inputs: Properties },
  ): Promise<{ id: string; state: Properties; inputs: Properties } | undefined>;
  update(
    request: ResourceRequest & {
      id: string;
      state: Properties;
      news: Properties;
      preview: boolean;
      timeoutSeconds: number;
      ignoreChanges: readonly string[];
    },
  ): Promise<Properties>;
  delete(request: ResourceRequest & { id: string; state: Properties; timeoutSeconds: number }): Promise<void>;
  /** The engine was interrupted: end what is under way. */
  cancel(): void;
}

/** What a provider answers to Check. */
export interface CheckAnswer {
  readonly inputs: Properties;
  readonly failures?: readonly { property: string; reason: string }[];
}

/** The resource exists, but is not what was asked for: the engine keeps it in the state and shows the reasons. */
export class IncompleteResource extends Error {
  constructor(
    message: string,
    readonly id: string,
    readonly state: Properties,
    readonly reasons: readonly string[],
  ) {
    super(message);
  }
}

/** Sends lines to the engine's log, beside the resource that they are about. */
export class EngineLog {
  private readonly client: EngineClient;
  private readonly pending = new Set<Promise<void>>();

  constructor(address: string) {
    this.client = new EngineClient(address, credentials.createInsecure());
  }

  info(message: string, urn = "", streamId = 0): void {
    this.send(LogSeverity.INFO, message, urn, false, streamId);
  }

  warning(message: string, urn = ""): void {
    this.send(LogSeverity.WARNING, message, urn, false, 0);
  }

  /** Shown while the resource is worked on, not kept. */
  progress(message: string, urn: string): void {
    this.send(LogSeverity.INFO, message, urn, true, 0);
  }

  /** Waits until the engine has taken every line. */
  async flush(): Promise<void> {
    await Promise.all(this.pending);
  }

  private send(severity: LogSeverity, message: string, urn: string, ephemeral: boolean, streamId: number): void {
    const request = new LogRequest()
      .setSeverity(severity)
      .setMessage(message)
      .setUrn(urn)
      .setEphemeral(ephemeral)
      .setStreamid(streamId);
    const sent = new Promise<void>((resolve) => {
      // A line that the engine no longer takes is no reason to fail the resource.
      this.client.log(request, () => {
        resolve();
      });
    });
    this.pending.add(sent);
    void sent.then(() => this.pending.delete(sent));
  }
}

/** How often is looked whether the engine is still there. */
const engineLookMilliseconds = 1000;

/** Serves the provider until the engine ends the process, or is gone itself. The engine's address is the last argument, the port goes to stdout. */
export function serve(start: (log: EngineLog) => Provider): void {
  const address = process.argv.at(-1);
  if (address === undefined || !/:\d+$/.test(address)) {
    process.stderr.write(
      "This program is a Pulumi resource provider: Pulumi's engine starts it with its own address.\n",
    );
    process.exit(1);
  }
  const log = new EngineLog(address);
  const server = new Server({
    "grpc.max_receive_message_length": 400 * 1024 * 1024,
    "grpc.max_send_message_length": 400 * 1024 * 1024,
  });
  const provider = start(log);
  server.addService(ResourceProviderService, handlers(provider, log));
  // An engine that is killed outright ends nobody, and its children get another parent.
  const engine = process.ppid;
  setInterval(() => {
    if (process.ppid === engine) return;
    provider.cancel();
    process.exit(1);
  }, engineLookMilliseconds);
  server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error;
    process.stdout.write(`${String(port)}\n`);
  });
}

interface Call<Request> {
  readonly request: Request;
}

function handlers(provider: Provider, log: EngineLog) {
  /** Turns a function of the request into gRPC's callback form. */
  const answer =
    <Request, Response>(method: (request: Request) => Promise<Response> | Response) =>
    (call: Call<Request>, callback: sendUnaryData<Response>): void => {
      Promise.resolve(call.request)
        .then(method)
        .then(
          async (response) => {
            await log.flush();
            callback(null, response);
          },
          async (error: unknown) => {
            await log.flush();
            callback(failure(error), null);
          },
        );
    };
  const unimplemented = (_call: Call<unknown>, callback: sendUnaryData<unknown>): void => {
    callback({ code: status.UNIMPLEMENTED, details: "the stand-in does not implement this" }, null);
  };
  return {
    ...Object.fromEntries(Object.keys(ResourceProviderService).map((method) => [method, unimplemented])),
    handshake: answer(() =>
      new messages.ProviderHandshakeResponse()
        .setAcceptSecrets(true)
        .setAcceptResources(false)
        .setAcceptOutputs(false)
        .setSupportsAutonamingConfiguration(false),
    ),
    getPluginInfo: answer(() => new PluginInfo().setVersion(provider.version)),
    checkConfig: answer((request: messages.CheckRequest) => new messages.CheckResponse().setInputs(request.getNews())),
    diffConfig: answer((request: messages.DiffRequest) => {
      const olds = settings(request.getOldInputs() ?? request.getOlds());
      const news = settings(request.getNews());
      const changed = [...new Set([...Object.keys(olds), ...Object.keys(news)])].filter(
        (key) => JSON.stringify(olds[key]) !== JSON.stringify(news[key]),
      );
      return new messages.DiffResponse()
        .setChanges(
          changed.length === 0
            ? messages.DiffResponse.DiffChanges.DIFF_NONE
            : messages.DiffResponse.DiffChanges.DIFF_SOME,
        )
        .setDiffsList(changed)
        .setReplacesList(changed.length === 0 ? [] : (provider.settingsThatReplace?.(olds, news) ?? []));
    }),
    configure: answer(async (request: messages.ConfigureRequest) => {
      await provider.configure(settings(request.getArgs()));
      return new messages.ConfigureResponse()
        .setAcceptsecrets(true)
        .setSupportspreview(true)
        .setAcceptresources(false)
        .setAcceptoutputs(false);
    }),
    check: answer(async (request: messages.CheckRequest) => {
      const { inputs, failures } = await provider.check({
        ...about(request),
        olds: request.hasOlds() ? properties(request.getOlds()) : undefined,
        news: properties(request.getNews()),
      });
      const list = (failures ?? []).map(({ property, reason }) =>
        new messages.CheckFailure().setProperty(property).setReason(reason),
      );
      return new messages.CheckResponse().setInputs(struct(inputs)).setFailuresList(list);
    }),
    diff: answer(async (request: messages.DiffRequest) => {
      const difference = await provider.diff({
        ...about(request),
        id: request.getId(),
        state: properties(request.getOlds()),
        news: properties(request.getNews()),
        oldInputs: properties(request.getOldInputs()),
        ignoreChanges: request.getIgnorechangesList(),
      });
      return diffResponse(difference);
    }),
    create: answer(async (request: messages.CreateRequest) => {
      const { id, state } = await provider.create({
        ...about(request),
        inputs: properties(request.getProperties()),
        preview: request.getPreview(),
        timeoutSeconds: request.getTimeout(),
      });
      return new messages.CreateResponse().setId(id).setProperties(struct(state));
    }),
    read: answer(async (request: messages.ReadRequest) => {
      const found = await provider.read({
        ...about(request),
        id: request.getId(),
        state: properties(request.getProperties()),
        inputs: properties(request.getInputs()),
      });
      if (found === undefined) return new messages.ReadResponse();
      return new messages.ReadResponse()
        .setId(found.id)
        .setProperties(struct(found.state))
        .setInputs(struct(found.inputs));
    }),
    update: answer(async (request: messages.UpdateRequest) => {
      const state = await provider.update({
        ...about(request),
        id: request.getId(),
        state: properties(request.getOlds()),
        news: properties(request.getNews()),
        preview: request.getPreview(),
        timeoutSeconds: request.getTimeout(),
        ignoreChanges: request.getIgnorechangesList(),
      });
      return new messages.UpdateResponse().setProperties(struct(state));
    }),
    delete: answer(async (request: messages.DeleteRequest) => {
      await provider.delete({
        ...about(request),
        id: request.getId(),
        state: properties(request.getProperties()),
        timeoutSeconds: request.getTimeout(),
      });
      return new Empty();
    }),
    cancel: answer(() => {
      provider.cancel();
      return new Empty();
    }),
  };
}

function diffResponse({ changes, replaces, deleteBeforeReplace }: Difference): messages.DiffResponse {
  const response = new messages.DiffResponse()
    .setChanges(
      changes.size + replaces.length === 0
        ? messages.DiffResponse.DiffChanges.DIFF_NONE
        : messages.DiffResponse.DiffChanges.DIFF_SOME,
    )
    .setReplacesList([...replaces])
    .setDeletebeforereplace(deleteBeforeReplace ?? false)
    .setHasdetaileddiff(true);
  const kinds = {
    add: [messages.PropertyDiff.Kind.ADD, messages.PropertyDiff.Kind.ADD_REPLACE],
    delete: [messages.PropertyDiff.Kind.DELETE, messages.PropertyDiff.Kind.DELETE_REPLACE],
    update: [messages.PropertyDiff.Kind.UPDATE, messages.PropertyDiff.Kind.UPDATE_REPLACE],
  } as const;
  for (const [path, change] of changes)
    response
      .getDetaileddiffMap()
      .set(path, new messages.PropertyDiff().setKind(kinds[change][replaces.includes(path) ? 1 : 0]));
  return response;
}

function about(request: { getUrn(): string; getType(): string; getName(): string }): ResourceRequest {
  const urn = request.getUrn();
  // Engines older than the fields `type` and `name` leave them empty; the URN says both.
  const [, , qualifiedType = "", name = ""] = urn.split("::");
  return { urn, type: request.getType() || (qualifiedType.split("$").at(-1) ?? ""), name: request.getName() || name };
}

function properties(value: Struct | undefined): Properties {
  return value?.toJavaScript() ?? {};
}

/** The provider's own settings: nested values and everything that is no string arrive as JSON text. */
function settings(value: Struct | undefined): Properties {
  return Object.fromEntries(
    Object.entries(properties(value)).map(([key, item]) => {
      if (typeof item !== "string" || !/^(true|false|\[.*\]|\{.*\})$/s.test(item)) return [key, item];
      try {
        return [key, JSON.parse(item) as Value];
      } catch {
        return [key, item];
      }
    }),
  );
}

function struct(value: Properties): Struct {
  return Struct.fromJavaScript(JSON.parse(JSON.stringify(value)) as Parameters<typeof Struct.fromJavaScript>[0]);
}

function failure(error: unknown): { code: status; details: string; metadata?: Metadata } {
  const details = error instanceof Error ? error.message : String(error);
  if (!(error instanceof IncompleteResource)) return { code: status.UNKNOWN, details };
  const detail = new messages.ErrorResourceInitFailed()
    .setId(error.id)
    .setProperties(struct(error.state))
    .setReasonsList([...error.reasons]);
  const any = new Any();
  any.pack(detail.serializeBinary(), "pulumirpc.ErrorResourceInitFailed");
  const metadata = new Metadata();
  const carrier = new Status();
  carrier.setCode(status.UNKNOWN);
  carrier.setMessage(details);
  carrier.addDetails(any);
  metadata.set("grpc-status-details-bin", Buffer.from(carrier.serializeBinary()));
  return { code: status.UNKNOWN, details, metadata };
}
