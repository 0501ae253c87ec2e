import { run } from "../../local/run";
import { tool } from "../../local/toolchain/toolchain";

/** A cluster that a test talks to. */
export interface Target {
  readonly kubeconfig: string;
  readonly context: string;
}

/** Runs kubectl to its end and returns its standard output. */
export async function kubectl(target: Target, args: readonly string[], input = ""): Promise<string> {
  const program = await tool("kubectl");
  return run(program, ["--kubeconfig", target.kubeconfig, "--context", target.context, ...args], { input });
}

/** SQL as superuser in a pod of PostgreSQL, by its local socket; rows as text, unaligned. */
export async function psqlInPod(
  target: Target,
  pod: { readonly namespace: string; readonly name: string; readonly user: string },
  database: string,
  sql: string,
): Promise<string> {
  const psql = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-U", pod.user, "-d", database];
  const exec = ["-n", pod.namespace, "exec", "-i", pod.name, "--"];
  return (await kubectl(target, [...exec, ...psql], sql)).trim();
}

/** Waits until a question answers anything but undefined, asking each second. */
export async function until<Answer>(
  what: string,
  seconds: number,
  question: () => Promise<Answer | undefined>,
): Promise<Answer> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await question();
    if (answer !== undefined) return answer;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}
