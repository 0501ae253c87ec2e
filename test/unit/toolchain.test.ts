import { execFile } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import {
  catalog,
  manifestModules,
  ownSource,
  toolNames,
  usualToolNames,
  type Program,
} from "../../local/toolchain/catalog";
import { atLeast, explainGoFailure, readGoMod } from "../../local/toolchain/go";
import { checkSpace } from "../../local/toolchain/space";
import { findTools, moduleDirectory, tool, tools } from "../../local/toolchain/toolchain";
import { ProgramFailed } from "../../local/run";

const groups = join(__dirname, "../../local/toolchain");

/**
 * A `go` that does what the toolchain asks of the real one, in milliseconds: `build` writes a program, and each call is logged.
 * What it builds says which version it would be.
 */
const fakeGo = (version: string, build: string) => `#!/bin/sh
echo "$@" >>"$FAKE_LOG"
case "$1" in
  version) echo "go version go${version} linux/amd64" ;;
  env) printf '%s\\n' "$FAKE_ROOT" "$FAKE_ROOT" ;;
  build) ${build} ;;
  mod) printf '{"Dir":"%s"}' "$FAKE_ROOT" ;;
esac
`;
const writesTheProgram = `sleep 0.3; printf '#!/bin/sh\\necho built\\n' >"$3"; chmod +x "$3"`;

let root: string;
let bin: string;
const saved = { ...process.env };

function program(name: string, text: string): void {
  writeFileSync(join(bin, name), text);
  chmodSync(join(bin, name), 0o755);
}

/** The builds that the fake Go was asked for. */
function builds(): string[] {
  const log = join(root, "log");
  return existsSync(log)
    ? readFileSync(log, "utf8")
        .split("\n")
        .filter((line) => line.startsWith("build "))
    : [];
}

/** Every file below the cache, but for the lock. */
function cached(): string[] {
  const directory = join(root, "cache", "toolchain");
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== "lock")
    .map(({ name }) => name);
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "naytife-toolchain-"));
  bin = join(root, "bin");
  mkdirSync(bin);
  // The system's own directories are needed for sh and flock, and hold no tool of the required version but perhaps those.
  Object.assign(process.env, {
    PATH: `${bin}:/usr/bin:/bin`,
    NAYTIFE_CACHE: join(root, "cache"),
    FAKE_LOG: join(root, "log"),
    FAKE_ROOT: root,
  });
  program("go", fakeGo("1.26.8", writesTheProgram));
  jest.spyOn(process.stderr, "write").mockReturnValue(true);
});

afterEach(() => {
  process.env = { ...saved };
  rmSync(root, { recursive: true, force: true });
  jest.restoreAllMocks();
});

describe("the catalog", () => {
  test.each(toolNames)(
    "%s names a group whose go.mod requires its module and whose source or tools.go imports its package",
    (name) => {
      const { group, module, package: path }: Program = catalog[name];
      expect(readGoMod(readFileSync(join(groups, group, "go.mod"), "utf8"), module).version).toMatch(
        /^v\d+\.\d+\.\d+$/,
      );
      expect(readFileSync(join(groups, group, "go.sum"), "utf8")).toBeDefined();
      if (module === undefined) return;
      if (path === ownSource) expect(readFileSync(join(groups, group, "main.go"), "utf8")).toContain(`"${module}/`);
      else expect(readFileSync(join(groups, group, "tools.go"), "utf8")).toContain(`_ "${path}"`);
    },
  );

  test.each([
    "pulumi",
    "coredns",
    "local-path-provisioner",
    "cloudnative-pg",
    "plugin-barman-cloud",
    "prometheus-operator",
  ])(
    "%s holds the modules that it shares with kubernetes at the same versions, so that none is compiled twice",
    (group) => {
      const pairs = (of: string, line: RegExp) =>
        [...readFileSync(join(groups, of, "go.mod"), "utf8").matchAll(line)].map(
          ([, module, version]) => [module, version] as const,
        );
      const written = /^\s+(\S+\/\S+) (v\S+)/gm;
      // What a group replaces counts as it is replaced.
      const required = (of: string) => new Map([...pairs(of, written), ...pairs(of, /^\s+(\S+\/\S+) => \S+ (v\S+)/gm)]);
      const asWritten = new Map(pairs("kubernetes", written));
      const kubernetes = required("kubernetes");
      const shared = [...required(group)].filter(([module]) => kubernetes.has(module));
      expect(shared.length).toBeGreaterThan(20);
      const others = shared.filter(
        ([module, version]) => ![kubernetes.get(module), asWritten.get(module)].includes(version),
      );
      expect(others).toEqual([]);
    },
  );

  test("pins the versions that were tried together", () => {
    const version = (name: keyof typeof catalog) => {
      const { group, module }: Program = catalog[name];
      return readGoMod(readFileSync(join(groups, group, "go.mod"), "utf8"), module).version;
    };
    expect(version("pulumi")).toBe("v3.246.0");
    expect(version("kubelet")).toBe("v1.36.3");
    expect(version("etcd")).toBe("v3.6.5");
    expect(version("containerd")).toBe("v2.1.5");
    expect(version("coredns")).toBe("v1.12.4");
    expect(version("local-path-provisioner")).toBe("v0.0.30");
    expect(version("cnpg-manager")).toBe("v1.30.0");
    expect(version("barman-cloud-manager")).toBe("v0.14.0");
    expect(version("versitygw")).toBe("v1.8.0");
    expect(version("prometheus-operator")).toBe("v0.85.0");
    expect(version("kube-state-metrics")).toBe("v2.18.0");
  });

  test("builds without being told what every run needs, not what one test has run", () => {
    expect(toolNames.filter((name) => !usualToolNames.includes(name))).toEqual([
      "prometheus-operator",
      "prometheus-config-reloader",
      "kube-state-metrics",
    ]);
  });

  test.each(Object.values(manifestModules))("$module is required by its group", ({ group, module }) => {
    expect(readGoMod(readFileSync(join(groups, group, "go.mod"), "utf8"), module).version).toMatch(/^v/);
  });
});

describe("a tool", () => {
  test("is built once, under a name of its own until it is whole, and then taken from the cache", async () => {
    const path = await tool("etcd");
    expect(path.startsWith(join(root, "cache", "toolchain"))).toBe(true);
    expect(builds()).toHaveLength(1);
    expect(builds()[0]).toMatch(/^build -o \S+\/etcd\.\d+\.unfinished -trimpath /);
    expect(await tool("etcd")).toBe(path);
    expect(builds()).toHaveLength(1);
    expect(cached()).toEqual(["etcd"]);
  });

  test("is told its version by the linker", async () => {
    await tool("kubelet");
    expect(builds()[0]).toContain("-X k8s.io/component-base/version.gitVersion=v1.36.3");
    expect(builds()[0]).toContain("-X k8s.io/component-base/version.gitMinor=36");
  });

  test("on PATH is used in the right version, by what it says itself", async () => {
    program("etcd", "#!/bin/sh\n[ \"$1\" = --version ] && echo 'etcd Version: 3.6.5'\n");
    expect(await tool("etcd")).toBe(join(bin, "etcd"));
    expect(builds()).toEqual([]);
    expect(await findTools(["etcd"])).toEqual([
      { name: "etcd", version: "v3.6.5", from: "path", path: join(bin, "etcd") },
    ]);
  });

  test.each(["etcd Version: 3.6.4", "etcd Version: 3.6.50", "etcd Version: 13.6.5", "etcd Version: 3.6.5-rc.1", ""])(
    "on PATH that says %j is left alone",
    async (says) => {
      program("etcd", `#!/bin/sh\necho '${says}'\n`);
      expect(await tool("etcd")).toContain(join(root, "cache"));
      expect(builds()).toHaveLength(1);
    },
  );

  test("on PATH further back counts, where the first one has the wrong version or does not run", async () => {
    const second = join(root, "second");
    mkdirSync(second);
    program("etcd", "#!/bin/sh\nexit 1\n");
    writeFileSync(join(second, "etcd"), "#!/bin/sh\necho 'etcd Version: 3.6.5'\n", { mode: 0o755 });
    process.env.PATH = `${bin}:${second}:/usr/bin:/bin`;
    expect(await tool("etcd")).toBe(join(second, "etcd"));
  });

  test("that goes into an image is never taken from PATH: it must be static", async () => {
    program("coredns", "#!/bin/sh\necho CoreDNS-1.12.4\n");
    expect(await tool("coredns")).toContain(join(root, "cache"));
  });

  test("is built again by another Go, beside the first", async () => {
    const first = await tool("etcd");
    const other = join(root, "other");
    mkdirSync(other);
    writeFileSync(join(other, "go"), fakeGo("1.26.9", writesTheProgram), { mode: 0o755 });
    process.env.PATH = `${other}:/usr/bin:/bin`;
    expect(await tool("etcd")).not.toBe(first);
    expect(existsSync(first)).toBe(true);
  });

  test("is built once by two processes that ask at the same moment, and both get it", async () => {
    const ask = [
      "--require",
      "tsx/cjs",
      "-e",
      `require(${JSON.stringify(join(groups, "toolchain.ts"))}).tools(["etcd", "ctr"]).then((paths) => console.log(paths.etcd))`,
    ];
    const asked = await Promise.all(
      [1, 2].map(() => promisify(execFile)(process.execPath, ask, { cwd: join(__dirname, "../.."), env: process.env })),
    );
    expect(new Set(asked.map(({ stdout }) => stdout)).size).toBe(1);
    expect(builds()).toHaveLength(2);
  }, 120_000);
});

describe("several tools", () => {
  test("are built two groups at a time, the programs of a group one after the other", async () => {
    const log = join(root, "order");
    program(
      "go",
      fakeGo(
        "1.26.8",
        `name=$(basename "$3" | cut -d. -f1); echo "begin $name" >>${log}; sleep 0.5; echo "end $name" >>${log}; ${writesTheProgram}`,
      ),
    );
    await tools(["containerd", "ctr", "etcd"]);
    const order = readFileSync(log, "utf8").trim().split("\n");
    expect(order.slice(0, 2).sort()).toEqual(["begin containerd", "begin etcd"]);
    expect(order.indexOf("begin ctr")).toBeGreaterThan(order.indexOf("end containerd"));
    expect(cached().sort()).toEqual(["containerd", "ctr", "etcd"]);
  }, 120_000);

  test("of which one fails: what still runs is waited for and kept, nothing more is begun", async () => {
    program(
      "go",
      fakeGo("1.26.8", `case "$3" in */etcd.*) echo boom >&2; exit 1 ;; esac; sleep 0.5; ${writesTheProgram}`),
    );
    await expect(tools(["etcd", "containerd", "ctr"])).rejects.toThrow(/etcd v3\.6\.5 could not be built/);
    expect(cached()).toEqual(["containerd"]);
  }, 120_000);
});

describe("a build that fails", () => {
  test("half-way leaves no program behind, and the next one begins anew", async () => {
    program("go", fakeGo("1.26.8", `printf half >"$3"; chmod +x "$3"; echo 'boom' >&2; exit 1`));
    await expect(tool("etcd")).rejects.toThrow(
      /etcd v3\.6\.5 could not be built\. No half-built program was left\.\nboom/,
    );
    expect(cached()).toEqual([]);
    program("go", fakeGo("1.26.8", writesTheProgram));
    await tool("etcd");
    expect(cached()).toEqual(["etcd"]);
  });

  test("with the whole process leaves nothing that is taken for the program, no lock, and its rest to the next one", async () => {
    program("go", fakeGo("1.26.8", `printf half >"$3"; chmod +x "$3"; kill -9 $PPID; exit 1`));
    const ask = ["--require", "tsx/cjs", "-e", `require(${JSON.stringify(join(groups, "toolchain.ts"))}).tool("etcd")`];
    await expect(
      promisify(execFile)(process.execPath, ask, { cwd: join(__dirname, "../.."), env: process.env }),
    ).rejects.toMatchObject({
      signal: "SIGKILL",
    });
    expect(cached()).toEqual([expect.stringMatching(/^etcd\.\d+\.unfinished$/)]);
    program("go", fakeGo("1.26.8", writesTheProgram));
    // Another program's build sweeps as well.
    await tool("ctr");
    expect(cached()).toEqual(["ctr"]);
    expect(readFileSync(await tool("etcd"), "utf8")).toContain("built");
  }, 120_000);

  test("says that Go is missing", async () => {
    rmSync(join(bin, "go"));
    process.env.PATH = bin;
    await expect(tool("coredns")).rejects.toThrow(/Go was not found on PATH.*Nothing was changed\. Install Go/s);
  });

  test("says that Go is too old, and which one it takes", async () => {
    program("go", fakeGo("1.22.1", writesTheProgram));
    await expect(tools(["kubelet"])).rejects.toThrow(
      /Go is too old: kubelet v1\.36\.3 needs 1\.26\.0, .*go1\.22\.1.*Nothing was built/s,
    );
    expect(builds()).toEqual([]);
  });

  test.each([
    [
      "dial tcp: lookup proxy.invalid: no such host",
      /module proxy did not hand out what etcd v3\.6\.5 is built from.*GOPROXY/s,
    ],
    ["reading https://proxy.invalid/x.zip: 403 Forbidden", /module proxy did not hand out/],
    ["write /tmp/x: no space left on device", /The disk filled up while etcd v3\.6\.5 was built\./],
  ])("explains %j", async (stderr, message) => {
    program("go", fakeGo("1.26.8", `echo '${stderr}' >&2; exit 1`));
    await expect(tool("etcd")).rejects.toThrow(message);
    expect(cached()).toEqual([]);
  });

  test("an error that is no program's is passed on", () => {
    const error = new Error("other");
    expect(explainGoFailure(error, "etcd")).toBe(error);
    expect(explainGoFailure(new ProgramFailed("go", 1, "syntax error", "failed"), "etcd").message).toMatch(
      /^etcd could not be built/,
    );
  });
});

describe("the disk", () => {
  const gibibyte = 1024 ** 3;
  const free = (gibibytes: number) =>
    new Map([
      ["/cache", 99 * gibibyte],
      ["/go", gibibytes * gibibyte],
    ]);
  test("has to have room for all that is missing, before the first is built", () => {
    expect(() => {
      checkSpace(1, free(3));
    }).not.toThrow();
    expect(() => {
      checkSpace(toolNames.length, free(13));
    }).not.toThrow();
    expect(() => {
      checkSpace(toolNames.length, free(12));
    }).toThrow(
      "Too little disk: /go has 12.0 GiB free, building 20 of the toolchain's programs needs 12.5 GiB. Nothing was built.",
    );
  });
});

test("a module's directory is the one that Go names", async () => {
  expect(await moduleDirectory("cloudnative-pg")).toBe(root);
  expect(readFileSync(join(root, "log"), "utf8")).toContain(
    "mod download -json github.com/cloudnative-pg/cloudnative-pg@v1.30.0",
  );
});

test.each([
  [[1, 26, 8], [1, 26], true],
  [[1, 26], [1, 26, 0], true],
  [[1, 25, 9], [1, 26], false],
  [[1, 9], [1, 10], false],
  [[2], [1, 99], true],
])("Go %j is at least %j: %j", (release, required, expected) => {
  expect(atLeast(release, required)).toBe(expected);
});
