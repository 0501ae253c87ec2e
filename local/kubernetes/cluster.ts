import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { withLock } from "../lock";
import { step } from "../progress";
import { run } from "../run";
import { tools, type ToolName } from "../toolchain/toolchain";
import { addons } from "./addons";
import { removeCgroup } from "./cgroups";
import { nodeFiles, nodeTools } from "./components";
import { imagesOrigin, prepareImages, provideImages, type ImagesFrom, type NodeContainerd } from "./images/images";
import {
  backupPluginImage,
  backupSidecarImage,
  legacyImage,
  pgbouncerImage,
  postgresImage,
  recipes,
  storeImage,
  type ImageRecipe,
} from "./images/recipes";
import { imageStore, seedFromStore } from "./images/store";
import { chooseSubnet, connect, disconnect, networksInUse } from "./network";
import { findInit, killNode as kill, startNode as start, writeWhole } from "./node";
import { backupPluginManifest, operatorManifest } from "./operator";
import { issueAll } from "./pki";
import {
  apiServerUrl,
  checkRequest,
  clusterFiles,
  contextName,
  nodePlan,
  nodePlans,
  stateRoot,
  type ClusterPlan,
} from "./plan";
import { architecture, cniPlugins, findProgram, requirePackages, requireResources, requireRoot } from "./preflight";

export interface EmbeddedCluster {
  /** Path of the kubeconfig (mode 0600). */
  readonly kubeconfig: string;
  readonly context: string;
  /** Path of the operator's release manifest, rendered for the images at hand. */
  readonly operatorManifest: string;
  /** Path of the backup plugin's manifest. */
  readonly backupPluginManifest: string;
  readonly backupPluginImage: string;
  readonly backupSidecarImage: string;
  /** The object store in the cluster. */
  readonly storeImage: string;
  readonly postgresImage: string;
  readonly poolerImage: string;
  /** PostgreSQL 15 with docker's entry point, for the legacy database. */
  readonly legacyImage: string;
  /** What lies in it goes with the cluster, at `down`. */
  readonly stateDirectory: string;
  readonly imagesFrom: ImagesFrom;
}

interface ClusterOptions {
  /** `local` by default. */
  readonly name?: string;
}

interface UpOptions extends ClusterOptions {
  /** 1 to 9; by default what the cluster has, or 1. A cluster keeps its number until `down`. */
  readonly nodes?: number;
  /** The first three numbers of the /24 that joins the machine and the nodes; by default a free one of 10.213. */
  readonly subnet?: string;
}

const defaultName = "local";

function locked<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
  const waiting = () => {
    step(`cluster ${name}: another process works on it; waiting`);
  };
  return withLock(`/run/lock/naytife-postgres-${name}`, waiting, work);
}

async function readJson<Content>(path: string): Promise<Content | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as Content;
  } catch (error) {
    // Of another cluster it may have gone since it was seen.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** What is recorded of a cluster; undefined where there is none. */
export async function readPlan(name: string): Promise<ClusterPlan | undefined> {
  return readJson<ClusterPlan>(clusterFiles(name).plan);
}

/** What the last `up` that ended well returned. */
export async function readResult(name: string): Promise<EmbeddedCluster | undefined> {
  return readJson<EmbeddedCluster>(clusterFiles(name).result);
}

async function requirePlan(name: string): Promise<ClusterPlan> {
  const plan = await readPlan(name);
  if (plan !== undefined) return plan;
  throw new Error(
    `There is no cluster "${name}" here. Nothing was changed. Bring one up with \`npm run kubernetes -- up --name ${name}\`.`,
  );
}

/** @throws where another number of nodes or another subnet is asked for than the cluster has. */
function checkKept(existing: ClusterPlan, options: UpOptions): void {
  for (const [what, asked, has] of [
    ["nodes", options.nodes, existing.nodes],
    ["subnet", options.subnet, existing.subnet],
  ] as const) {
    if (asked !== undefined && asked !== has) {
      throw new Error(
        `The cluster "${existing.name}" has ${what} ${has}, not ${asked}, and keeps it. Nothing was changed. ` +
          `Take it down first (its data goes with it), or choose another --name.`,
      );
    }
  }
}

/** Networks of this machine, and those of clusters that do not run now but will again. */
async function takenNetworks(): Promise<string[]> {
  const others = await Promise.all((await clusterNames()).map(readPlan));
  return [...(await networksInUse()), ...others.flatMap((plan) => (plan === undefined ? [] : [`${plan.subnet}.0/24`]))];
}

async function clusterNames(): Promise<string[]> {
  const directory = join(stateRoot, "clusters");
  return existsSync(directory) ? readdir(directory) : [];
}

/** Decides about a new cluster and records it, one at a time: two that are made at once must not take the same subnet. */
async function newPlan(name: string, nodes: number, subnet: string | undefined): Promise<ClusterPlan> {
  const waiting = () => {
    step(`cluster ${name}: another one takes its subnet; waiting`);
  };
  return withLock("/run/lock/naytife-postgres.subnets", waiting, async () => {
    const plan = { name, nodes, subnet: chooseSubnet(await takenNetworks(), subnet) };
    const files = clusterFiles(name);
    await mkdir(files.directory, { recursive: true, mode: 0o700 });
    await writeWhole(files.plan, `${JSON.stringify(plan)}\n`);
    return plan;
  });
}

type Kubectl = (...args: string[]) => Promise<string>;

function kubectlFor(program: string, plan: ClusterPlan): Kubectl {
  return (...args) => run(program, ["--kubeconfig", clusterFiles(plan.name).kubeconfig, ...args]);
}

/** The machine's process ids of the running nodes' first processes, by node index. */
export async function inits(plan: ClusterPlan): Promise<Map<number, number>> {
  const found = await Promise.all(nodePlans(plan).map(async (node) => [node.index, await findInit(node)] as const));
  return new Map(found.flatMap(([index, init]) => (init === undefined ? [] : [[index, init]])));
}

/** The result of an earlier `up` if all of it still runs and answers. */
async function runningResult(plan: ClusterPlan): Promise<EmbeddedCluster | undefined> {
  const result = await readResult(plan.name);
  if (result === undefined || !existsSync(result.operatorManifest)) return undefined;
  // A cluster that an earlier program brought up has not all images.
  if (!existsSync((result as Partial<EmbeddedCluster>).backupPluginManifest ?? "")) return undefined;
  if ((await inits(plan)).size !== plan.nodes) return undefined;
  const { kubectl } = await tools(["kubectl"]);
  try {
    const nodes = await kubectlFor(kubectl, plan)("get", "nodes", "--request-timeout=10s", "--output=json");
    return readyNodes(nodes) === plan.nodes ? result : undefined;
  } catch {
    return undefined;
  }
}

interface NodeList {
  items: {
    metadata: { name: string };
    status: { conditions?: { type: string; status: string; message?: string }[] };
  }[];
}

function readyCondition({ status }: NodeList["items"][number]) {
  return (status.conditions ?? []).find(({ type }) => type === "Ready");
}

function readyNodes(list: string): number {
  return (JSON.parse(list) as NodeList).items.filter((node) => readyCondition(node)?.status === "True").length;
}

/** What keeps the planned nodes from being Ready, one line a node, in the kubelet's own words. Empty where nothing does. */
export function unreadyNodes(plan: ClusterPlan, list: string): string[] {
  const { items } = JSON.parse(list) as NodeList;
  return nodePlans(plan).flatMap(({ name, directory }) => {
    const node = items.find(({ metadata }) => metadata.name === name);
    if (node === undefined) return [`${name} has not registered (see ${join(directory, "log", "kubelet.log")})`];
    const ready = readyCondition(node);
    return ready?.status === "True" ? [] : [`${name}: ${ready?.message ?? "its kubelet has said nothing yet"}`];
  });
}

/** Starts whichever nodes do not run and joins them. */
async function startNodes(plan: ClusterPlan, indexes: readonly number[], store?: string): Promise<void> {
  const paths = await tools(nodeTools);
  const runc = await findProgram("runc");
  if (runc === undefined) throw new Error("runc is not on PATH. Nothing was started.");
  for (const index of indexes) {
    const node = nodePlan(plan, index);
    await mkdir(node.directory, { recursive: true, mode: 0o700 });
    if (store !== undefined && (await findInit(node)) === undefined)
      await seedFromStore(store, join(node.directory, "containerd"));
    await start(node, nodeFiles(plan, node, runc, cniPlugins), paths satisfies Partial<Record<ToolName, string>>);
  }
  await connect(plan, await inits(plan));
}

/** Repeats a check until it holds. @throws after that many seconds, with where to look. */
async function until(plan: ClusterPlan, what: string, seconds: number, check: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + seconds * 1000;
  let last: unknown;
  while (Date.now() < end) {
    try {
      if (await check()) return;
    } catch (error) {
      last = error;
    }
    await sleep(250);
  }
  const logs = join(nodePlan(plan, 1).directory, "log");
  throw new Error(
    `${what} did not come true within ${seconds} s. The cluster was left as it is: \`up\` again goes on from here, \`down\` removes it. ` +
      `Its programs' logs are in ${logs}.${last instanceof Error ? `\n${last.message}` : ""}`,
  );
}

/** Waits until the API server of a started cluster answers and each node is Ready. */
async function untilReady(plan: ClusterPlan, kubectl: Kubectl): Promise<void> {
  await until(plan, `"the API server at ${apiServerUrl(plan)} is ready"`, 120, async () => {
    await kubectl("get", "--raw=/readyz", "--request-timeout=2s");
    return true;
  });
}

async function untilNodesReady(plan: ClusterPlan, kubectl: Kubectl): Promise<void> {
  await until(plan, `"${plan.nodes} nodes are Ready"`, 120, async () => {
    const unready = unreadyNodes(plan, await kubectl("get", "nodes", "--request-timeout=5s", "--output=json"));
    if (unready.length > 0) throw new Error(unready.join("\n"));
    return true;
  });
}

/** The running nodes' containerds. */
async function containerds(plan: ClusterPlan, ctr: string): Promise<NodeContainerd[]> {
  const running = await inits(plan);
  return nodePlans(plan).map((node) => ({
    node: node.name,
    socket: `/proc/${running.get(node.index) ?? 0}/root/run/containerd/containerd.sock`,
    ctr,
  }));
}

/** All that is made outside of clusters, and is the same for each. */
async function prepare(origin: ImagesFrom) {
  const { kubectl, ctr } = await tools(["kubectl", ...nodeTools]);
  const needed = recipes(architecture());
  const archives = await prepareImages(needed, origin);
  const store = origin === "assembled" ? await imageStore(archives) : undefined;
  const manifests = { operatorManifest: await operatorManifest(), backupPluginManifest: await backupPluginManifest() };
  return { needed, origin, program: kubectl, ctr, archives, store, manifests, extras: await addons() };
}

async function bringUp(
  plan: ClusterPlan,
  { needed, origin, program, ctr, archives, store, manifests, extras }: Awaited<ReturnType<typeof prepare>>,
): Promise<EmbeddedCluster> {
  const files = clusterFiles(plan.name);
  await rm(files.result, { force: true });
  await issueAll(plan);
  step(`cluster ${plan.name}: starting ${plan.nodes === 1 ? "1 node" : `${plan.nodes} nodes`} at ${plan.subnet}.0/24`);
  await startNodes(
    plan,
    nodePlans(plan).map(({ index }) => index),
    store,
  );

  const kubectl = kubectlFor(program, plan);
  await untilReady(plan, kubectl);
  step(`cluster ${plan.name}: the API server answers`);
  await run(
    program,
    ["--kubeconfig", files.kubeconfig, "apply", "--server-side", "--force-conflicts", "--filename=-"],
    { input: extras },
  );
  const nodes = await containerds(plan, ctr);
  await until(plan, '"containerd listens on each node"', 30, () =>
    Promise.resolve(nodes.every(({ socket }) => existsSync(socket))),
  );
  await provideImages(needed, origin, archives, nodes);
  await untilNodesReady(plan, kubectl);
  step(`cluster ${plan.name}: nodes Ready`);
  for (const deployment of ["kube-system/coredns", "local-path-storage/local-path-provisioner"]) {
    const [namespace = "", name = ""] = deployment.split("/");
    await kubectl("--namespace", namespace, "rollout", "status", `deployment/${name}`, "--timeout=120s");
  }
  const result: EmbeddedCluster = {
    kubeconfig: files.kubeconfig,
    context: contextName(plan.name),
    ...manifests,
    backupPluginImage,
    backupSidecarImage,
    storeImage,
    postgresImage,
    poolerImage: pgbouncerImage,
    legacyImage,
    stateDirectory: files.directory,
    imagesFrom: origin,
  };
  await writeWhole(files.result, `${JSON.stringify(result)}\n`);
  step(`cluster ${plan.name}: ready`);
  return result;
}

/**
 * Brings an embedded cluster up: made where there is none, recovered where it was killed in whatever state, left alone where it runs.
 * @throws before any cluster is touched: no root, too little disk or memory, packages that cannot be had, a subnet in use, other nodes
 * than it has.
 */
export async function up(options: UpOptions): Promise<EmbeddedCluster> {
  const name = options.name ?? defaultName;
  checkRequest(name, options.nodes ?? 1, options.subnet);
  requireRoot();
  architecture();
  return locked(name, async () => {
    const existing = await readPlan(name);
    if (existing !== undefined) {
      checkKept(existing, options);
      const running = await runningResult(existing);
      if (running !== undefined) return running;
    }
    const nodes = existing?.nodes ?? options.nodes ?? 1;
    await requireResources(nodes);
    const origin = await imagesOrigin(recipes(architecture()));
    await requirePackages(origin);
    // Only now are the programs there that say which networks are taken: one that is asked for in vain is refused before anything is made.
    if (existing === undefined) chooseSubnet(await takenNetworks(), options.subnet);
    const prepared = await prepare(origin);
    return bringUp(existing ?? (await newPlan(name, nodes, options.subnet)), prepared);
  });
}

/** Gives the nodes of a running cluster further images, from where its own would come. */
export async function addImages(options: ClusterOptions, further: readonly ImageRecipe[]): Promise<void> {
  requireRoot();
  const plan = await requirePlan(options.name ?? defaultName);
  const origin = await imagesOrigin(further);
  await requirePackages(origin);
  const archives = await prepareImages(further, origin);
  await locked(plan.name, async () => {
    const { ctr } = await tools(["ctr"]);
    await provideImages(further, origin, archives, await containerds(plan, ctr));
  });
}

/** Takes a cluster down and removes everything that it was, its data included. Nothing where there is none. */
export async function down(options: ClusterOptions): Promise<void> {
  const name = options.name ?? defaultName;
  checkRequest(name, 1);
  requireRoot();
  await locked(name, async () => {
    const { directory, plan: planFile } = clusterFiles(name);
    const plan = await readPlan(name);
    if (plan !== undefined) {
      for (const node of nodePlans(plan)) await kill(node);
      for (const node of nodePlans(plan)) await removeCgroup(node.cgroup);
      await disconnect(name);
    }
    // The plan goes last: a `down` that is killed before can be repeated.
    if (existsSync(directory)) {
      for (const entry of await readdir(directory)) {
        if (join(directory, entry) !== planFile) await rm(join(directory, entry), { recursive: true, force: true });
      }
    }
    await rm(directory, { recursive: true, force: true });
    for (const parent of [dirname(directory), stateRoot]) await rmdir(parent).catch(() => undefined);
    step(`cluster ${name}: ${plan === undefined ? "there is none" : "down"}`);
  });
}

/** Kills one node as a power cut would: every process of it at once. Its disk stays. Without its first node a cluster has no API server. */
export async function killNode(options: ClusterOptions & { readonly node: number }): Promise<void> {
  requireRoot();
  const plan = await requirePlan(options.name ?? defaultName);
  await kill(requireNode(plan, options.node));
}

/** Starts a killed node again, and waits until the cluster's running nodes are Ready. */
export async function startNode(options: ClusterOptions & { readonly node: number }): Promise<void> {
  requireRoot();
  const plan = await requirePlan(options.name ?? defaultName);
  const node = requireNode(plan, options.node);
  await locked(plan.name, async () => {
    await startNodes(plan, [node.index]);
    const { kubectl: program } = await tools(["kubectl"]);
    const kubectl = kubectlFor(program, plan);
    await untilReady(plan, kubectl);
    await kubectl("wait", "--for=condition=Ready", `node/${node.name}`, "--timeout=120s");
  });
}

function requireNode(plan: ClusterPlan, index: number) {
  const node = nodePlans(plan).find((candidate) => candidate.index === index);
  if (node !== undefined) return node;
  throw new Error(`The cluster "${plan.name}" has nodes 1 to ${plan.nodes}, no node ${index}. Nothing was changed.`);
}

/** The path of a cluster's kubeconfig. @throws where there is no such cluster. */
export async function kubeconfig(options: ClusterOptions): Promise<string> {
  const { name } = await requirePlan(options.name ?? defaultName);
  return clusterFiles(name).kubeconfig;
}
