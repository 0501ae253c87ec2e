import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { run } from "../run";
import { findTools, tools } from "../toolchain/toolchain";
import { inits, readPlan, readResult } from "./cluster";
import { controlPlanePrograms, nodePrograms, nodeTools } from "./components";
import type { ImagesFrom } from "./images/images";
import { apiServerUrl, clusterFiles, contextName, nodePlans } from "./plan";

interface NodeStatus {
  readonly name: string;
  readonly address: string;
  /** The machine's process id of the node's first process; undefined where the node does not run. */
  readonly init: number | undefined;
  /** The node's programs and whether each runs now. */
  readonly programs: Readonly<Record<string, boolean>>;
}

interface ClusterStatus {
  readonly name: string;
  readonly server: string;
  readonly kubeconfig: string;
  readonly context: string;
  readonly nodes: readonly NodeStatus[];
  /** `v1.2.3` by program. */
  readonly versions: Readonly<Record<string, string>>;
  /** Undefined until a first `up` has ended well. */
  readonly imagesFrom: ImagesFrom | undefined;
  /** What `kubectl get nodes,pods -A` says, or why it says nothing. */
  readonly answer: string;
}

/** The names of the programs that run in the process namespace of a node. */
async function programsBeside(init: number): Promise<Set<string>> {
  const namespace = async (pid: string | number) => {
    const numbers = /^NSpid:(.*)$/m.exec(await readFile(`/proc/${pid}/status`, "utf8"));
    return numbers?.[1]?.trim().split(/\s+/);
  };
  const depth = (await namespace(init))?.length;
  const names = new Set<string>();
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      if ((await namespace(pid))?.length !== depth) continue;
      const root = (await readFile(`/proc/${pid}/cgroup`, "utf8")) === (await readFile(`/proc/${init}/cgroup`, "utf8"));
      if (root) names.add((await readFile(`/proc/${pid}/cmdline`, "utf8")).split("\0")[0]?.split("/").pop() ?? "");
    } catch {
      // It ended while we looked.
    }
  }
  return names;
}

/** The state of a cluster, or undefined where there is none. Reads only. */
export async function status(options: { readonly name?: string }): Promise<ClusterStatus | undefined> {
  const name = options.name ?? "local";
  const plan = await readPlan(name);
  if (plan === undefined) return undefined;
  const running = await inits(plan);
  const nodes = await Promise.all(
    nodePlans(plan).map(async ({ index, name: node, address }): Promise<NodeStatus> => {
      const init = running.get(index);
      const there = init === undefined ? new Set<string>() : await programsBeside(init);
      const expected = [...(index === 1 ? controlPlanePrograms : []), ...nodePrograms];
      return {
        name: node,
        address,
        init,
        programs: Object.fromEntries(expected.map((program) => [program, there.has(program)])),
      };
    }),
  );
  const versions = Object.fromEntries((await findTools(nodeTools)).map((tool) => [tool.name, tool.version]));
  const { kubeconfig } = clusterFiles(name);
  const result = await readResult(name);
  return {
    name,
    server: apiServerUrl(plan),
    kubeconfig,
    context: contextName(name),
    nodes,
    versions,
    imagesFrom: result?.imagesFrom,
    answer:
      existsSync(kubeconfig) && running.has(1) ? await ask(kubeconfig) : "The node with the API server does not run.",
  };
}

async function ask(kubeconfig: string): Promise<string> {
  const { kubectl } = await tools(["kubectl"]);
  try {
    const what = ["get", "nodes,pods", "--all-namespaces", "--output=wide", "--request-timeout=3s"];
    return (await run(kubectl, ["--kubeconfig", kubeconfig, ...what])).trim();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The status as text for a person. */
export function describe(cluster: ClusterStatus): string {
  const programs = (node: NodeStatus) =>
    Object.entries(node.programs)
      .map(([program, runs]) => `    ${runs ? "running" : "STOPPED"}  ${program} ${cluster.versions[program] ?? ""}`)
      .join("\n");
  const nodes = cluster.nodes.map((node) => {
    const state = node.init === undefined ? "does not run" : `process ${node.init}`;
    return `  ${node.name}  ${node.address}  ${state}\n${programs(node)}`;
  });
  return [
    `cluster     ${cluster.name}`,
    `server      ${cluster.server}`,
    `kubeconfig  ${cluster.kubeconfig}`,
    `context     ${cluster.context}`,
    `images      ${cluster.imagesFrom ?? "not there yet: repeat up"}`,
    "nodes",
    ...nodes,
    "",
    cluster.answer,
  ].join("\n");
}
