import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import {
  down,
  inits,
  killNode,
  readPlan,
  readResult,
  startNode,
  up,
  type EmbeddedCluster,
} from "../../local/kubernetes/cluster";
import { hierarchies } from "../../local/kubernetes/cgroups";
import { clusterDirectory, clusterFiles, hostLink } from "../../local/kubernetes/plan";
import { postgresImage } from "../../local/kubernetes/images/recipes";
import { status } from "../../local/kubernetes/status";
import { run } from "../../local/run";
import { clusterName } from "./cluster";
import { kubectl, until } from "./kubectl";

const first = clusterName("lifecycle");
const second = clusterName("beside");
const killed = clusterName("killed");
const names = [first, second, killed];
const busybox = "docker.io/library/busybox:latest";
/** Asks a server for a file by the pod's own name service: Debian's static busybox cannot look names up. */
const get = (host: string, port: number, file: string) =>
  `exec 3<>/dev/tcp/${host}/${port} && printf 'GET /${file} HTTP/1.0\r\n\r\n' >&3 && cat <&3`;
const root = join(__dirname, "../..");

/** Other clusters of this machine, those of other test files too, come and go meanwhile: what is theirs by its name is not counted, all else is. */
const isAnothers = {
  /** A cgroup, by its path. */
  cgroup: (path: string) => path.includes("/naytife-postgres/") && !names.some((name) => path.includes(`/${name}`)),
  /** A link, or a line that names one. */
  link: (text: string) => /\bnpg-[0-9a-f]{8}\b/.test(text) && !names.some((name) => text.includes(hostLink(name))),
};

/** Cgroups that a node makes, in every hierarchy; the machine's own come and go. */
function cgroups(): string[] {
  const below = (directory: string): string[] => {
    if (isAnothers.cgroup(directory)) return [];
    try {
      return readdirSync(directory, { withFileTypes: true }).flatMap((entry) =>
        entry.isDirectory() ? [join(directory, entry.name), ...below(join(directory, entry.name))] : [],
      );
    } catch (error) {
      // It has gone since it was seen.
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
  };
  return hierarchies(readFileSync("/proc/self/mounts", "utf8"))
    .flatMap(({ root: hierarchy }) => below(hierarchy))
    .filter((path) => /naytife|kube|k8s|containerd|pods/.test(path))
    .filter((path) => !isAnothers.cgroup(path) && !path.endsWith("/naytife-postgres"));
}

/** What a cluster could leave on the machine beside processes. */
async function footprint() {
  const rules = async (program: string) => (await run(program, [])).split("\n").filter((line) => !line.startsWith("#"));
  const links = JSON.parse(await run("ip", ["-json", "link", "show"])) as { ifname: string }[];
  const routes = (await run("ip", ["route", "show", "table", "all"])).split("\n");
  return {
    mounts: readFileSync("/proc/self/mounts", "utf8").split("\n"),
    links: links.map(({ ifname }) => ifname).filter((link) => !isAnothers.link(link)),
    routes: routes.filter((route) => !isAnothers.link(route)),
    filter: await rules("iptables-save"),
    tunables: ["vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops", "net/ipv4/ip_forward"].map((name) =>
      readFileSync(`/proc/sys/${name}`, "utf8").trim(),
    ),
    cgroups: cgroups(),
    state: names.filter((name) => existsSync(clusterDirectory(name))),
  };
}

/** The machine's process ids of everything that runs in the cluster's nodes: all that share a process namespace with a node's first process. */
async function processesOf(name: string): Promise<number[]> {
  const plan = await readPlan(name);
  if (plan === undefined) return [];
  const roots = new Set((await inits(plan)).values());
  const parents = new Map<number, number>();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${entry}/status`, "utf8"))?.[1];
      parents.set(Number(entry), Number(parent));
    } catch {
      // It ended while we looked.
    }
  }
  const within = (pid: number | undefined): boolean =>
    pid !== undefined && pid !== 0 && (roots.has(pid) || within(parents.get(pid)));
  return [...parents.keys()].filter(within);
}

/** A pod that runs a shell command and ends with it. */
function pod(name: string, command: string, container: object = { image: busybox, command: ["sh", "-c", command] }) {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default", labels: { app: name } },
    spec: {
      restartPolicy: "Never",
      terminationGracePeriodSeconds: 0,
      containers: [{ name, imagePullPolicy: "IfNotPresent", ...container }],
    },
  };
}

/** A pod with the claim `data` mounted at /data. */
function podWithData(name: string, command: string) {
  const made = pod(name, command, {
    image: busybox,
    command: ["sh", "-c", command],
    volumeMounts: [{ name: "data", mountPath: "/data" }],
  });
  return { ...made, spec: { ...made.spec, volumes: [{ name: "data", persistentVolumeClaim: { claimName: "data" } }] } };
}

/** A pod of the operand's image that runs a bash command. */
function client(command: string) {
  return pod("client", command, { image: postgresImage, command: ["bash", "-ec", command] });
}

function apply(cluster: EmbeddedCluster, ...objects: object[]): Promise<string> {
  const list = JSON.stringify({ apiVersion: "v1", kind: "List", items: objects });
  return kubectl(cluster, ["apply", "--server-side", "--filename=-"], list);
}

/** The output of a pod that ends by itself. */
async function outputOf(cluster: EmbeddedCluster, name: string): Promise<string> {
  const phase = ["get", "pod", name, "--output=jsonpath={.status.phase}"];
  const end = await until(`the end of pod ${name}`, 180, async () => {
    const is = await kubectl(cluster, phase);
    return is === "Succeeded" || is === "Failed" ? is : undefined;
  });
  const output = await kubectl(cluster, ["logs", name]);
  expect({ end, output }).toMatchObject({ end: "Succeeded" });
  return output;
}

/** Runs the command line as an unprivileged user and returns its exit code and what it wrote to stderr. */
async function asNobody(...args: string[]): Promise<{ code: number; stderr: string }> {
  const command = ["--reuid=65534", "--regid=65534", "--clear-groups", process.execPath, "--require", "tsx/cjs"];
  try {
    const main = join(root, "local/kubernetes/main.ts");
    // Its own cache: nobody may not read root's.
    const env = { ...process.env, HOME: "/tmp", NAYTIFE_CACHE: "/tmp/naytife-nobody" };
    const { stderr } = await promisify(execFile)("setpriv", [...command, main, ...args], { cwd: root, env });
    return { code: 0, stderr };
  } catch (error) {
    const { code, stderr } = error as { code: number; stderr: string };
    return { code, stderr };
  }
}

jest.setTimeout(300_000);

describe("the embedded Kubernetes", () => {
  let before: Awaited<ReturnType<typeof footprint>>;
  let cluster: EmbeddedCluster;
  const seen: number[] = [];

  beforeAll(async () => {
    await down({ name: first });
    await down({ name: second });
    before = await footprint();
  });

  afterAll(async () => {
    await down({ name: first });
    await down({ name: second });
  });

  test("without root says so and changes nothing", async () => {
    const { code, stderr } = await asNobody("up", "--name", first);
    expect(code).toBe(1);
    expect(stderr).toMatch(/needs root.*Nothing was changed/);
    expect(await footprint()).toEqual(before);
  });

  test("refuses a subnet that is in use, before anything is made", async () => {
    const local = (
      JSON.parse(await run("ip", ["-json", "-4", "address", "show", "scope", "host"])) as {
        addr_info: { local: string }[];
      }[]
    )[0]!.addr_info[0]!.local;
    const subnet = local.split(".").slice(0, 3).join(".");
    await expect(up({ name: first, subnet })).rejects.toThrow(/is in use on this machine.*Nothing was changed/);
    expect(await footprint()).toEqual(before);
  });

  test("comes up, warm, soon", async () => {
    const began = Date.now();
    cluster = await up({ name: first });
    const seconds = (Date.now() - began) / 1000;
    expect(statSync(cluster.kubeconfig).mode & 0o777).toBe(0o600);
    expect(cluster.context).toBe(`naytife-${first}`);
    expect(readFileSync(cluster.operatorManifest, "utf8")).toContain("kind: Deployment");
    const state = await status({ name: first });
    expect(Object.values(state!.nodes[0]!.programs)).toEqual(Array<boolean>(7).fill(true));
    expect(state!.versions.kubelet).toBe("v1.36.3");
    expect(state!.imagesFrom).toBe(cluster.imagesFrom);
    process.stderr.write(`up took ${seconds} s\n`);
    // 45 s are promised of a machine that does nothing else; here another file runs beside.
    expect(seconds).toBeLessThan(90);
  });

  test("does nothing, quickly, when it is up, and returns the same", async () => {
    const running = await inits((await readPlan(first))!);
    const began = Date.now();
    expect(await up({ name: first })).toEqual(cluster);
    expect(Date.now() - began).toBeLessThan(10_000);
    expect(await inits((await readPlan(first))!)).toEqual(running);
  });

  test("keeps its number of nodes", async () => {
    await expect(up({ name: first, nodes: 3 })).rejects.toThrow(/has nodes 1, not 3.*Nothing was changed/);
  });

  test("gives pods names, services, each other and volumes", async () => {
    const storage = { apiVersion: "storage.k8s.io/v1", kind: "StorageClass", metadata: { name: "test" } };
    const claim = {
      accessModes: ["ReadWriteOnce"],
      storageClassName: "test",
      resources: { requests: { storage: "1Mi" } },
    };
    await kubectl(cluster, ["wait", "--for=create", "serviceaccount/default", "--timeout=300s"]);
    await apply(
      cluster,
      { ...storage, provisioner: "rancher.io/local-path", volumeBindingMode: "WaitForFirstConsumer" },
      {
        apiVersion: "v1",
        kind: "PersistentVolumeClaim",
        metadata: { name: "data", namespace: "default" },
        spec: claim,
      },
      podWithData("server", "date > /data/written; httpd -f -p 8080 -h /data"),
      {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "server", namespace: "default" },
        spec: { selector: { app: "server" }, ports: [{ port: 80, targetPort: 8080 }] },
      },
    );
    await kubectl(cluster, ["wait", "--for=condition=Ready", "pod/server", "--timeout=300s"]);
    await apply(cluster, client(`getent hosts kubernetes; ${get("server.default.svc", 80, "written")}`));
    const output = await outputOf(cluster, "client");
    expect(output).toMatch(/^10\.96\.0\.1\s/);
    expect(output).toContain("200 OK");
    expect(output).toContain(await kubectl(cluster, ["exec", "server", "--", "cat", "/data/written"]));
  });

  test("starts a program again that was killed", async () => {
    const init = (await inits((await readPlan(first))!)).get(1)!;
    const etcd = (await processesOf(first)).find((pid) => {
      try {
        return readFileSync(`/proc/${pid}/comm`, "utf8").trim() === "etcd";
      } catch {
        return false;
      }
    });
    process.kill(etcd!, "SIGKILL");
    await until("the API server answers again", 180, async () =>
      kubectl(cluster, ["get", "--raw=/readyz", "--request-timeout=2s"]).then(
        () => true,
        () => undefined,
      ),
    );
    expect((await inits((await readPlan(first))!)).get(1)).toBe(init);
  });

  test("killed as a whole, recovers with `up`, its data kept", async () => {
    seen.push(...(await processesOf(first)));
    expect(seen.length).toBeGreaterThan(10);
    const written = await kubectl(cluster, ["exec", "server", "--", "cat", "/data/written"]);
    await killNode({ name: first, node: 1 });
    expect(seen.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([]);
    expect(await up({ name: first })).toEqual(cluster);
    await kubectl(cluster, ["delete", "pod", "server", "client", "--force", "--grace-period=0", "--wait=true"]);
    await apply(cluster, podWithData("reader", "cat /data/written"));
    expect(await outputOf(cluster, "reader")).toBe(written);
  });

  test("runs beside another one, which has two nodes, loses one and gets it back", async () => {
    const other = await up({ name: second, nodes: 2 });
    expect((await readPlan(second))!.subnet).not.toBe((await readPlan(first))!.subnet);
    const on = (node: number, made: ReturnType<typeof pod>) => ({
      ...made,
      spec: { ...made.spec, nodeName: `${second}-${node}` },
    });
    await kubectl(other, ["wait", "--for=create", "serviceaccount/default", "--timeout=300s"]);
    await apply(other, on(2, pod("server", "echo far > /tmp/name; httpd -f -p 8080 -h /tmp")));
    await kubectl(other, ["wait", "--for=condition=Ready", "pod/server", "--timeout=300s"]);
    const address = await kubectl(other, ["get", "pod", "server", "--output=jsonpath={.status.podIP}"]);
    await apply(other, on(1, client(get(address, 8080, "name"))));
    expect(await outputOf(other, "client")).toContain("far\n");

    await killNode({ name: second, node: 2 });
    expect([...(await inits((await readPlan(second))!)).keys()]).toEqual([1]);
    await startNode({ name: second, node: 2 });
    expect([...(await inits((await readPlan(second))!)).keys()]).toEqual([1, 2]);
    await kubectl(cluster, ["get", "--raw=/readyz"]);
  });

  test("leaves nothing behind when it is taken down", async () => {
    const processes = [...(await processesOf(first)), ...(await processesOf(second)), ...seen];
    expect((await footprint()).links).toEqual(expect.arrayContaining([hostLink(first), hostLink(second)]));
    await down({ name: first });
    await down({ name: second });
    expect(processes.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([]);
    expect(await footprint()).toEqual(before);
  });
});

describe("an `up` that is killed, with all that it runs,", () => {
  const nodes = async () => inits((await readPlan(killed))!);

  afterEach(() => down({ name: killed }));

  test.each<[string, (said: string) => boolean | Promise<boolean>]>([
    ["while it makes certificates", () => existsSync(clusterFiles(killed).pki)],
    [
      "when its node has only just begun",
      async (said) => said.includes("starting 1 node") && (await nodes()).size === 1,
    ],
    ["when the API server has only just answered", (said) => said.includes("the API server answers")],
    ["when its nodes are Ready and its add-ons are not", (said) => said.includes("nodes Ready")],
  ])("%s is made good by the next one", async (_moment, reached) => {
    await down({ name: killed });
    const before = await footprint();
    const child = spawn("npm", ["run", "kubernetes", "--", "up", "--name", killed], {
      cwd: root,
      detached: true,
      stdio: ["ignore", "ignore", "pipe"],
    });
    const ended = once(child, "close");
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
    while (!(await reached(said))) {
      if (child.exitCode !== null) throw new Error(`It ended before it was killed:\n${said}`);
      await sleep(10);
    }
    process.kill(-child.pid!, "SIGKILL");
    expect(await ended).toEqual([null, "SIGKILL"]);
    expect(await readResult(killed)).toBeUndefined();
    const survivors = await nodes();

    const cluster = await up({ name: killed });
    const state = await status({ name: killed });
    expect(Object.values(state!.nodes[0]!.programs)).toEqual(Array<boolean>(7).fill(true));
    for (const [index, init] of survivors) expect((await nodes()).get(index)).toBe(init);
    await kubectl(cluster, ["wait", "--for=create", "serviceaccount/default", "--timeout=300s"]);
    await apply(cluster, client("getent hosts kubernetes"));
    expect(await outputOf(cluster, "client")).toMatch(/^10\.96\.0\.1\s/);

    await down({ name: killed });
    expect(await footprint()).toEqual(before);
  });
});
