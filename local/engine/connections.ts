/**
 * Each run's connection to its engine is its own.
 *
 * The Automation API never closes the clients of a run (pulumi 3.246.0). They look for their dead engine's address for ever, and by gRPC's default all
 * clients of one address share what they learn. Where the system gives the port to a later engine, that run's first call would fail at once.
 */
import { createRequire } from "node:module";

/** Pulumi declares them nowhere: they are internal. */
const { grpcClientOptions } = createRequire(__filename)("@pulumi/pulumi/runtime/settings") as {
  grpcClientOptions: Record<string, unknown>;
};

grpcClientOptions["grpc.use_local_subchannel_pool"] = 1;
