import { run } from "../local/run";
import { tool } from "../local/toolchain/toolchain";

/** Where kubectl works. */
export interface Place {
  readonly cluster: { readonly kubeconfig: string; readonly context: string };
  readonly namespace: string;
}

/** How long one command may take, in milliseconds. */
const patience = 10 * 60_000;

/** Runs kubectl to its end and returns what it printed. */
export async function kubectl({ cluster, namespace }: Place, args: readonly string[], input = ""): Promise<string> {
  const where = ["--kubeconfig", cluster.kubeconfig, "--context", cluster.context, "--namespace", namespace];
  return run(await tool("kubectl"), [...where, ...args], { input, timeout: patience });
}
