import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { coreDns, localPath } from "../../local/kubernetes/addons";
import { enableControllers, hierarchies, supervisorCgroup } from "../../local/kubernetes/cgroups";
import { nodeFiles, quoted } from "../../local/kubernetes/components";
import { sweepImages } from "../../local/kubernetes/images/assemble";
import { registryOf } from "../../local/kubernetes/images/images";
import { monitoringRecipes, recipes } from "../../local/kubernetes/images/recipes";
import { unreadyNodes } from "../../local/kubernetes/cluster";
import { chooseSubnet, overlap } from "../../local/kubernetes/network";
import { renderOperator } from "../../local/kubernetes/operator";
import { identities } from "../../local/kubernetes/pki";
import {
  apiServerUrl,
  checkRequest,
  hostLink,
  nodePlan,
  nodePlans,
  type ClusterPlan,
} from "../../local/kubernetes/plan";
import {
  architecture,
  availableMemory,
  checkResources,
  requireDebian,
  requirements,
  requireRoot,
} from "../../local/kubernetes/preflight";
import { moduleDirectory } from "../../local/toolchain/toolchain";

const plan: ClusterPlan = { name: "shop", nodes: 3, subnet: "10.213.7" };
const gibibyte = 1024 ** 3;

describe("a request", () => {
  test.each(["", "Shop", "1shop", "-shop", "shop-", "shop/../..", "a b", "x".repeat(31)])(
    "refuses the name %j",
    (name) => {
      expect(() => {
        checkRequest(name, 1);
      }).toThrow(/cannot name a cluster.*Nothing was changed/);
    },
  );
  test.each(["a", "local", "e2e-lifecycle", "x".repeat(30)])("takes the name %j", (name) => {
    expect(() => {
      checkRequest(name, 1);
    }).not.toThrow();
  });
  test.each([0, 10, 1.5, Number.NaN])("refuses %j nodes", (nodes) => {
    expect(() => {
      checkRequest("shop", nodes);
    }).toThrow(/1 to 9 nodes.*Nothing was changed/);
  });
  test.each(["10.213", "10.213.256", "10.213.7.0/24", "host"])("refuses the subnet %j", (subnet) => {
    expect(() => {
      checkRequest("shop", 1, subnet);
    }).toThrow(/is no subnet.*Nothing was changed/);
  });
});

describe("a plan", () => {
  test("gives each node a name, an address, pods and cgroups of its own", () => {
    const nodes = nodePlans(plan);
    for (const key of ["name", "address", "podCidr", "directory", "cgroup"] as const) {
      expect(new Set(nodes.map((node) => node[key])).size).toBe(3);
    }
    expect(nodePlan(plan, 2)).toEqual({
      index: 2,
      name: "shop-2",
      address: "10.213.7.12",
      podCidr: "10.244.2.0/24",
      directory: "/var/lib/naytife-postgres/clusters/shop/nodes/2",
      cgroup: "/naytife-postgres/shop/2",
    });
    expect(apiServerUrl(plan)).toBe("https://10.213.7.11:6443");
  });

  test("gives each cluster a link of at most the kernel's 15 characters", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z][a-z0-9-]{0,28}[a-z0-9]$/), (name) => {
        expect(hostLink(name)).toMatch(/^npg-[0-9a-f]{8}$/);
      }),
    );
    expect(hostLink("local")).not.toBe(hostLink("e2e-lifecycle"));
  });
});

describe("version 2's controllers", () => {
  let directory: string;
  let said: jest.SpyInstance;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "naytife-cgroup-"));
    writeFileSync(join(directory, "cgroup.controllers"), "cpuset cpu io memory pids rdma misc\n");
    said = jest.spyOn(process.stderr, "write").mockReturnValue(true);
  });
  afterEach(() => {
    rmSync(directory, { recursive: true });
    jest.restoreAllMocks();
  });
  const refusing = (code: string, controller: string, written: string[]) => (_file: string, text: string) => {
    if (text.includes(controller)) return Promise.reject(Object.assign(new Error(code), { code }));
    written.push(text);
    return Promise.resolve();
  };

  test("are handed down one by one, those that limit pods, without one that is refused", async () => {
    const written: string[] = [];
    await enableControllers(directory, refusing("EINVAL", "io", written));
    expect(written).toEqual(["+cpu", "+cpuset", "+memory", "+pids"]);
    expect(said).toHaveBeenCalledWith(expect.stringContaining("does not hand down io (EINVAL)"));
  });
  test("stay with a cgroup that has processes of its own, which is said with what to do", async () => {
    await expect(enableControllers(directory, refusing("EBUSY", "cpu", []))).rejects.toThrow(
      /has processes of its own.*No node was started\. Move them .*: mkdir -p \S+\/init && xargs .*cgroup\.procs/,
    );
  });
});

describe("nodes that are not Ready", () => {
  const node = (index: number, status: string, message: string) => ({
    metadata: { name: `shop-${index}` },
    status: { conditions: [{ type: "Ready", status, message }] },
  });

  test("are named, with the kubelet's own words or with where to look", () => {
    const list = { items: [node(1, "True", "ready"), node(2, "False", "no network")] };
    expect(unreadyNodes(plan, JSON.stringify(list))).toEqual([
      "shop-2: no network",
      expect.stringMatching(/^shop-3 has not registered \(see .*\/nodes\/3\/log\/kubelet\.log\)$/),
    ]);
  });

  test("are none when all of the plan are", () => {
    expect(unreadyNodes(plan, JSON.stringify({ items: [1, 2, 3].map((index) => node(index, "True", "")) }))).toEqual(
      [],
    );
  });
});

describe("the subnet", () => {
  test.each([
    ["10.213.7.0/24", "10.213.7.0/24", true],
    ["10.213.7.9/32", "10.213.7.0/24", true],
    ["10.0.0.0/8", "10.213.7.0/24", true],
    ["10.213.6.255/23", "10.213.7.0/24", true],
    ["10.213.8.0/24", "10.213.7.0/24", false],
    ["10.213.7.1", "10.213.7.0/24", true],
    ["192.168.0.0/16", "10.213.7.0/24", false],
    ["255.255.255.255/32", "0.0.0.0/1", false],
  ])("%s overlaps %s: %j", (one, other, expected) => {
    expect(overlap(one, other)).toBe(expected);
    expect(overlap(other, one)).toBe(expected);
  });

  test("is the first free one", () => {
    expect(chooseSubnet([])).toBe("10.213.0");
    expect(chooseSubnet(["10.213.0.0/24", "10.213.1.1/32"])).toBe("10.213.2");
    expect(chooseSubnet(["10.213.0.0/17"])).toBe("10.213.128");
  });
  test("is the requested one, unless that is in use", () => {
    expect(chooseSubnet(["10.213.0.0/24"], "172.20.3")).toBe("172.20.3");
    expect(() => chooseSubnet(["172.16.0.0/12"], "172.20.3")).toThrow(
      "The subnet 172.20.3.0/24 is in use on this machine, by 172.16.0.0/12. Nothing was changed.",
    );
  });
  test("is refused where none is free", () => {
    expect(() => chooseSubnet(["10.0.0.0/8"])).toThrow(/No \/24 of 10\.213\.0\.0\/16 is free.*Nothing was changed/);
  });
});

describe("the machine", () => {
  const enough = { state: 100 * gibibyte, cache: 100 * gibibyte, memory: 100 * gibibyte };
  test("with enough of everything is taken", () => {
    expect(() => {
      checkResources(3, enough);
    }).not.toThrow();
  });
  test.each([
    [
      { state: 4 * gibibyte },
      "Too little disk in /var/lib/naytife-postgres: 4.0 GiB free, a cluster of 1 needs 5.0 GiB. Nothing was changed.",
    ],
    [{ cache: gibibyte }, /Too little disk in .*: 1\.0 GiB free, .* needs 2\.0 GiB\. Nothing was changed\./],
    [{ memory: gibibyte }, "Too little memory: 1.0 GiB free, a cluster of 1 needs 2.0 GiB. Nothing was changed."],
  ])("with %j is refused", (less, message) => {
    expect(() => {
      checkResources(1, { ...enough, ...less });
    }).toThrow(message);
  });
  test("needs more for more nodes", () => {
    expect(() => {
      checkResources(3, { ...enough, state: 14 * gibibyte });
    }).toThrow(/a cluster of 3 needs 15\.0 GiB/);
  });
  test("says how much memory it has", () => {
    expect(availableMemory("MemTotal:  24 kB\nMemAvailable:     2048 kB\n")).toBe(2 * 1024 * 1024);
    expect(availableMemory("")).toBe(0);
  });
  test.each([
    ["x64", "amd64"],
    ["arm64", "arm64"],
  ])("of node's architecture %s is called %s", (machine, name) => {
    expect(architecture(machine)).toBe(name);
  });
  test("of another architecture is refused", () => {
    expect(() => architecture("riscv64")).toThrow(/runs on amd64 and arm64, and this machine is riscv64.*Nothing was/);
  });
  test("needs what images are assembled with only where they are", () => {
    const assembling = ["mmdebstrap", "busybox-static"];
    expect(Object.values(requirements("assembled"))).toEqual(expect.arrayContaining(["iproute2", ...assembling]));
    expect(Object.values(requirements("registry"))).toContain("iproute2");
    for (const name of assembling) expect(Object.values(requirements("registry"))).not.toContain(name);
  });
  test("assembles images where it is Debian, and says so where it is not", () => {
    const debian = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n';
    expect(() => {
      requireDebian(debian);
    }).not.toThrow();
    expect(() => {
      requireDebian('PRETTY_NAME="Ubuntu 24.04 LTS"\nID=ubuntu\nID_LIKE=debian\n');
    }).toThrow(
      /That takes a machine with Debian .*; this one has Ubuntu 24\.04 LTS\. Run it on Debian.* Nothing was changed\./,
    );
    expect(() => {
      requireDebian("");
    }).toThrow(/this one has something else/);
  });
  test("without root is refused before anything is done", () => {
    const getuid = jest.spyOn(process, "getuid").mockReturnValue(1000);
    try {
      expect(requireRoot).toThrow(/needs root.*sudo.*--context NAME.*Nothing was changed/);
    } finally {
      getuid.mockRestore();
    }
  });
});

describe("cgroups", () => {
  test("of both versions are found among the mounts", () => {
    const mounts = [
      "tmpfs /sys/fs/cgroup tmpfs rw 0 0",
      "cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0",
      "cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0",
      "/dev/vda / ext4 rw 0 0",
      "",
    ].join("\n");
    expect(hierarchies(mounts)).toEqual([
      { root: "/sys/fs/cgroup/memory", version: 1 },
      { root: "/sys/fs/cgroup/unified", version: 2 },
    ]);
  });
  test("of a node's own processes lie beside its pods'", () => {
    expect(supervisorCgroup("/naytife-postgres/shop/1")).toBe("/naytife-postgres/shop/1/supervisor");
  });
});

describe("a node's files", () => {
  const files = (index: number) => nodeFiles(plan, nodePlan(plan, index), "/usr/sbin/runc", "/usr/lib/cni");
  const units = (index: number) =>
    files(index)
      .filter(({ executable }) => executable)
      .map(({ path }) => path)
      .sort();

  test("run the control plane on the first node alone", () => {
    expect(units(1)).toEqual(
      [
        "containerd",
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-proxy",
        "kube-scheduler",
        "kubelet",
      ].map((name) => `units/${name}`),
    );
    expect(units(2)).toEqual(["units/containerd", "units/kube-proxy", "units/kubelet"]);
  });
  test("are valid shell where they are scripts", () => {
    for (const { content, executable } of [...files(1), ...files(2)]) {
      if (executable) execFileSync("bash", ["-n"], { input: content });
    }
  });
  test("give each kubelet its own cgroups and each node its own pod addresses", () => {
    const json = (index: number, path: string) =>
      JSON.parse(files(index).find((file) => file.path === `configuration/${path}`)!.content) as unknown;
    expect(json(2, "kubelet.json")).toMatchObject({ cgroupRoot: "/naytife-postgres/shop/2", address: "10.213.7.12" });
    expect(json(2, "cni/10-naytife.conflist")).toMatchObject({
      plugins: [{ ipam: { ranges: [[{ subnet: "10.244.2.0/24" }]] } }, {}],
    });
  });
  test("listen on loopback or on the node's address, never on every interface", () => {
    for (const { content } of files(1)) expect(content).not.toContain("0.0.0.0:");
    const apiServer = files(1).find(({ path }) => path === "units/kube-apiserver")!.content;
    expect(apiServer).toContain("--bind-address=10.213.7.11");
    const etcd = files(1).find(({ path }) => path === "units/etcd")!.content;
    expect(etcd).toContain("--listen-client-urls=http://127.0.0.1:2379");
  });
  test("quote what the shell would take apart", () => {
    expect(quoted("--flag=value")).toBe("--flag=value");
    expect(quoted("a b")).toBe("'a b'");
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme" }).filter((text) => !text.includes("\0")),
        (text) => {
          expect(execFileSync("bash", ["-c", `printf %s ${quoted(text)}`], { encoding: "utf8" })).toBe(text);
        },
      ),
      { numRuns: 30, examples: [[""], ["'"], ["$HOME"], ["a\nb"]] },
    );
  });
});

describe("certificates", () => {
  test("name every way in which the API server is called", () => {
    const names = identities(plan).find(({ name }) => name === "apiserver")!.alternativeNames;
    expect(names).toEqual(
      expect.arrayContaining(["IP:10.213.7.11", "IP:10.96.0.1", "IP:127.0.0.1", "DNS:kubernetes.default.svc"]),
    );
  });
  test("make each kubelet the node that it is", () => {
    expect(identities(plan).find(({ name }) => name === "kubelet-3")).toMatchObject({
      commonName: "system:node:shop-3",
      organization: "system:nodes",
      alternativeNames: ["IP:10.213.7.13", "DNS:shop-3"],
    });
  });
});

describe("images", () => {
  test("are named in full, once each", () => {
    const names = [...recipes("amd64"), ...monitoringRecipes].flatMap((recipe) => recipe.names);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names)
      expect(name).toMatch(/^(registry\.k8s\.io|docker\.io|ghcr\.io|quay\.io)\/[a-z0-9/-]+:[\w.-]+$/);
  });
  test("that the operator's release names are among them", () => {
    expect(recipes("amd64").flatMap((recipe) => recipe.names)).toContain(
      "ghcr.io/cloudnative-pg/cloudnative-pg:1.30.0",
    );
  });
  test.each([
    ["docker.io/library/postgres:15", "registry-1.docker.io"],
    ["registry.k8s.io/pause:3.10", "registry.k8s.io"],
    ["ghcr.io/cloudnative-pg/postgresql:17", "ghcr.io"],
  ])("of %s come from %s", (image, host) => {
    expect(registryOf(image)).toBe(host);
  });
});

describe("an image of the operator", () => {
  test.each(["amd64", "arm64"] as const)("has its manager where the operator looks for that of %s", (machine) => {
    expect(recipes(machine).find(({ names }) => names[0]!.includes("/cloudnative-pg:"))).toMatchObject({
      path: `/operator/manager_${machine}`,
      links: { "/manager": `operator/manager_${machine}` },
    });
  });
});

test("what a killed assembly left is swept, and nothing else", async () => {
  const directory = mkdtempSync(join(tmpdir(), "naytife-images-"));
  try {
    for (const name of ["0f.tar", "lock", "store-0f", "0f.tar.unfinished", "store-1f.unfinished", "work-aB3dE6"])
      writeFileSync(join(directory, name), "");
    await sweepImages(directory);
    expect(readdirSync(directory).sort()).toEqual(["0f.tar", "lock", "store-0f"]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

describe("add-ons", () => {
  const manifest = (data: string) =>
    `kind: Namespace\nmetadata: {name: local-path-storage}\n---\nkind: StorageClass\nmetadata: {name: local-path}\n---\nkind: ConfigMap\nmetadata: {name: local-path-config}\ndata:\n  ${data}: "{}"\n`;

  test("leave the storage class to the Pulumi program and put volumes into the node's own directory", () => {
    const objects = localPath(manifest("config.json")) as { kind: string; data?: Record<string, string> }[];
    expect(objects.map(({ kind }) => kind)).toEqual(["Namespace", "ConfigMap"]);
    expect(objects[1]!.data!["config.json"]).toContain("/var/lib/local-path-provisioner");
  });
  test("refuse a manifest that is not what it was", () => {
    expect(() => localPath(manifest("other"))).toThrow(/has no config\.json/);
  });
  test("put the name service where each pod looks for it", () => {
    const service = coreDns().find((object) => (object as { kind: string }).kind === "Service");
    expect(service).toMatchObject({
      metadata: { name: "kube-dns", namespace: "kube-system" },
      spec: { clusterIP: "10.96.0.10" },
    });
  });
});

test("the operator's manifest pulls nothing: its nodes have the image and no way out", () => {
  const manifest = "        imagePullPolicy: Always\n              imagePullPolicy:\n";
  expect(renderOperator(manifest)).toBe("        imagePullPolicy: IfNotPresent\n              imagePullPolicy:\n");
});

test("the operator may take what CPU there is", async () => {
  const path = join(await moduleDirectory("cloudnative-pg"), "releases", "cnpg-1.30.0.yaml");
  const [deployment] = renderOperator(readFileSync(path, "utf8"))
    .split(/^---$/m)
    .filter((object) => /^kind: Deployment$/m.test(object));
  const resources =
    /^ +resources:\n( +)limits:\n\1 {2}memory: 200Mi\n\1requests:\n\1 {2}cpu: 100m\n\1 {2}memory: 100Mi\n/m;
  expect(deployment).toMatch(resources);
});
