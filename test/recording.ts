import * as pulumi from "@pulumi/pulumi";
import type { RegisterResourceRequest } from "@pulumi/pulumi/proto/resource_pb";

/** One registration, as the engine would have received it: inputs and options. */
export interface Registration {
  readonly type: string;
  readonly name: string;
  readonly urn: string;
  readonly custom: boolean;
  /** Secrets are {@link Secret}, values that a preview does not know are {@link unknown_}. */
  readonly inputs: Readonly<Record<string, unknown>>;
  /** URN; empty: the stack itself. */
  readonly parent: string;
  /** URNs, those that follow from inputs included. */
  readonly dependencies: readonly string[];
  /** `<urn>::<id>`; empty: the default provider. */
  readonly provider: string;
  /** By package, for a component: what its children inherit. */
  readonly providers: Readonly<Record<string, string>>;
  readonly protect: boolean;
  readonly retainOnDelete: boolean;
  readonly deleteBeforeReplace: boolean;
  readonly ignoreChanges: readonly string[];
  readonly replaceOnChanges: readonly string[];
  readonly aliases: readonly string[];
  readonly additionalSecretOutputs: readonly string[];
  readonly errorHooks: readonly string[];
  readonly timeouts: { readonly create: string; readonly update: string; readonly delete: string };
}

/** A value that is marked secret. */
export class Secret {
  constructor(readonly value: unknown) {}
}

/** Stands for what is not known before the update. */
export const unknown_ = Symbol("unknown");

/** What a run registered, with finders that fail when there is not exactly one. */
export class Recording<Result> {
  constructor(
    readonly registrations: readonly Registration[],
    readonly result: Result,
  ) {}

  /** The one of this type, and name if there are several. */
  get(type: string, name?: string): Registration {
    const found = this.registrations.filter((one) => one.type === type && (name === undefined || one.name === name));
    const [registration] = found;
    if (registration === undefined || found.length > 1) {
      throw new Error(`${found.length} registrations of ${type} ${name ?? ""}`);
    }
    return registration;
  }

  ofType(type: string): readonly Registration[] {
    return this.registrations.filter((one) => one.type === type);
  }
}

/** How a program is run. */
export interface RecordOptions {
  readonly stack?: string;
  /** true: nothing is created, so outputs of the providers are unknown. */
  readonly preview?: boolean;
  /** With their namespaces. */
  readonly config?: Readonly<Record<string, string>>;
  readonly secretKeys?: readonly string[];
}

/** The password that the mocks' RandomPassword makes, and that any Secret that is read holds for the legacy. It needs encoding in a URL. */
export const mockPassword = "p@ss/wörd";

/**
 * Runs part of a program, or all of it, against Pulumi's mocks and records what the engine would have received. The
 * mocks' own record has inputs only; the request that they are made from has the options too. That request is an internal
 * of the SDK, so no other file touches it.
 */
export async function record<Result>(
  program: () => Result | Promise<Result>,
  { stack = "local", preview = false, config = {}, secretKeys = [] }: RecordOptions = {},
): Promise<Recording<Result>> {
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs, id }) => {
        const isRead = id !== undefined && id !== "";
        const outputs = isRead ? { data: { POSTGRES_PASSWORD: Buffer.from(mockPassword).toString("base64") } } : {};
        return {
          id: isRead ? id : `${name}-id`,
          state: { ...(inputs as object), ...(preview ? {} : { ...outputs, ...providerOutputs(type) }) },
        };
      },
      call: () => ({}),
    },
    "naytife-postgres",
    stack,
    preview,
  );
  pulumi.runtime.setAllConfig({ ...config }, [...secretKeys]);
  const registrations: Registration[] = [];
  const monitor = pulumi.runtime.getMonitor() as unknown as MockMonitor;
  const registerResource = monitor.registerResource.bind(monitor);
  monitor.registerResource = (request, callback) => {
    registerResource(request, (error, response) => {
      if (error === null) {
        registrations.push(registration(request, response.getUrn()));
      }
      callback(error, response);
    });
  };
  monitor.registerErrorHook = (_request, callback) => {
    callback(null, {});
  };
  try {
    const result = await program();
    await (pulumi.runtime as unknown as { waitForRPCs: () => Promise<void> }).waitForRPCs();
    return new Recording(registrations, result);
  } finally {
    await pulumi.runtime.disconnect();
  }
}

/** The value of an output, secret or not; unknown_ in a preview that does not know it. */
export async function valueOf<Value>(output: pulumi.Input<Value>): Promise<Value | typeof unknown_> {
  const wrapped = pulumi.output(output) as pulumi.Output<Value>;
  const internals = wrapped as unknown as { isKnown: Promise<boolean>; promise: () => Promise<Value> };
  return (await internals.isKnown) ? internals.promise() : unknown_;
}

/** Whether an output is marked secret. */
export function isSecret(output: pulumi.Input<unknown>): Promise<boolean> {
  return pulumi.isSecret(pulumi.output(output));
}

/** The secret half of the mocks' CustomerSecretKey. */
export const mockSecretKey = "mock+secret/key=";

/** What the mocks' Command prints: as much of the migration's report as its component reads. */
export const mockReport = { run: "mock" };

function providerOutputs(type: string): Record<string, string> {
  switch (type) {
    case "random:index/randomPassword:RandomPassword":
      return { result: mockPassword };
    case "oci:Identity/customerSecretKey:CustomerSecretKey":
      return { key: mockSecretKey };
    case "command:local:Command":
      return { stdout: JSON.stringify(mockReport) };
    default:
      return {};
  }
}

interface MockMonitor {
  registerResource: (request: RegisterResourceRequest, callback: Callback) => void;
  registerErrorHook: (request: unknown, callback: (error: null, response: object) => void) => void;
}

type Callback = (error: unknown, response: { getUrn: () => string }) => void;

function registration(request: RegisterResourceRequest, urn: string): Registration {
  const timeouts = request.getCustomtimeouts();
  return {
    type: request.getType(),
    name: request.getName(),
    urn,
    custom: request.getCustom(),
    inputs: decode(request.getObject()?.toJavaScript() ?? {}) as Record<string, unknown>,
    parent: request.getParent(),
    dependencies: request.getDependenciesList(),
    provider: request.getProvider(),
    providers: Object.fromEntries(request.getProvidersMap().toObject()),
    protect: request.getProtect() ?? false,
    retainOnDelete: request.getRetainondelete() ?? false,
    deleteBeforeReplace: request.getDeletebeforereplace(),
    ignoreChanges: request.getIgnorechangesList(),
    replaceOnChanges: request.getReplaceonchangesList(),
    aliases: request.getAliasesList().map((alias) => JSON.stringify(alias.toObject())),
    additionalSecretOutputs: request.getAdditionalsecretoutputsList(),
    errorHooks: request.getHooks()?.getOnErrorList() ?? [],
    timeouts: {
      create: timeouts?.getCreate() ?? "",
      update: timeouts?.getUpdate() ?? "",
      delete: timeouts?.getDelete() ?? "",
    },
  };
}

// sdk/nodejs/runtime/rpc.ts: how a secret, and what is unknown, travel to the engine.
const signatureKey = "4dabf18193072939515e22adb298388d";
const secretSignature = "1b47061264138c4ac30d75fd1eb44270";
const unknownText = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

function decode(value: unknown): unknown {
  if (value === unknownText) {
    return unknown_;
  }
  if (Array.isArray(value)) {
    return value.map(decode);
  }
  if (typeof value !== "object" || value === null) {
    return value;
  }
  const { [signatureKey]: signature, value: plain } = value as Record<string, unknown>;
  if (signature === secretSignature) {
    return new Secret(decode(plain));
  }
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, decode(field)]));
}
