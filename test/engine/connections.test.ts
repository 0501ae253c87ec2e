/** A run finds its engine, whoever had the engine's port before (local/engine/connections.ts). */
import { Client, credentials, Server, ServerCredentials } from "@grpc/grpc-js";
import * as settings from "@pulumi/pulumi/runtime/settings";
import "../../local/engine/stack";

const { grpcClientOptions } = settings as unknown as { grpcClientOptions: Record<string, unknown> };

const open: (() => void)[] = [];

afterAll(() => {
  for (const close of open) close();
});

const asItIs = (bytes: Buffer) => bytes;
const methods = {
  ask: {
    path: "/engine/ask",
    requestStream: false,
    responseStream: false,
    requestSerialize: asItIs,
    requestDeserialize: asItIs,
    responseSerialize: asItIs,
    responseDeserialize: asItIs,
  },
} as const;

/** @param port 0 is any that is free */
async function engine(port: number): Promise<{ port: number; server: Server }> {
  const server = new Server();
  open.push(() => {
    server.forceShutdown();
  });
  server.addService(methods, {
    ask: (_: unknown, answer: (error: null, value: Buffer) => void) => {
      answer(null, Buffer.from(""));
    },
  });
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, free) => {
      if (error === null) resolve(free);
      else reject(error);
    });
  });
  return { port: bound, server };
}

function client(port: number): Client {
  const made = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), grpcClientOptions);
  open.push(() => {
    made.close();
  });
  return made;
}

const ask = (asked: Client): Promise<string> =>
  new Promise((resolve) => {
    asked.makeUnaryRequest(methods.ask.path, asItIs, asItIs, Buffer.from(""), (error) => {
      resolve(error?.message ?? "answered");
    });
  });

test("an engine is found at once at a port where a client of an earlier run was refused", async () => {
  const first = await engine(0);
  const earlier = client(first.port);
  expect(await ask(earlier)).toBe("answered");
  first.server.forceShutdown();
  let refused = "";
  while (!refused.includes("ECONNREFUSED")) refused = await ask(earlier);

  const second = await engine(first.port);
  expect(await ask(client(second.port))).toBe("answered");
});
