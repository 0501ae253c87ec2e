import { existsSync } from "node:fs";
import { access, constants, readFile, stat, statfs } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { cacheDirectory } from "../cache";
import { step } from "../progress";
import { ProgramFailed, run } from "../run";
import { stateRoot } from "./plan";

const gibibyte = 1024 ** 3;
/** Bytes for the images, twice (archives in the cache, layers in the state), and a small database. */
const spaceForState = 5 * gibibyte;
const spaceForCache = 2 * gibibyte;
/** Bytes of memory: control plane 1 GiB, operator and database 1 GiB; each further node 0.25 GiB. */
const memoryForCluster = 2 * gibibyte;
const memoryForNode = gibibyte / 4;

/** CNI's programs, where Debian puts them. */
export const cniPlugins = "/usr/lib/cni";

/** What nodes are made with beside the toolchain: the file that shows it is there → Debian's package. */
const programs: Readonly<Record<string, string>> = {
  unshare: "util-linux",
  nsenter: "util-linux",
  flock: "util-linux",
  mount: "mount",
  ip: "iproute2",
  openssl: "openssl",
  iptables: "iptables",
  conntrack: "conntrack",
  runc: "runc",
  mmdebstrap: "mmdebstrap",
};
const files: Readonly<Record<string, string>> = {
  [join(cniPlugins, "ptp")]: "containernetworking-plugins",
  "/bin/busybox": "busybox-static",
};

/** A requirement that this machine does not meet. Nothing was changed when it is thrown. */
export class NotPossibleHere extends Error {
  constructor(reason: string) {
    super(`${reason} Nothing was changed.`);
    this.name = "NotPossibleHere";
  }
}

export function requireRoot(): void {
  if (process.platform !== "linux") {
    throw new NotPossibleHere(
      "The embedded Kubernetes is made of Linux namespaces and this is no Linux. Use an existing cluster with --context NAME.",
    );
  }
  if (process.getuid?.() !== 0) {
    throw new NotPossibleHere(
      "The embedded Kubernetes needs root: it makes namespaces, mounts and cgroups. Run it with sudo, or use an existing cluster with --context NAME.",
    );
  }
}

async function freeSpace(directory: string): Promise<number> {
  let existing = directory;
  while (!existsSync(existing)) existing = dirname(existing);
  const { bavail, bsize } = await statfs(existing);
  return bavail * bsize;
}

/** The memory that can be had without swapping, from the text of /proc/meminfo, in bytes. */
export function availableMemory(meminfo: string): number {
  return Number(/^MemAvailable:\s+(\d+) kB$/m.exec(meminfo)?.[1] ?? 0) * 1024;
}

/** @throws where space or memory do not reach; the numbers are bytes. */
export function checkResources(nodes: number, have: { state: number; cache: number; memory: number }): void {
  const inGibibytes = (bytes: number) => `${(bytes / gibibyte).toFixed(1)} GiB`;
  const require = (what: string, free: number, needed: number) => {
    if (free < needed) {
      throw new NotPossibleHere(
        `Too little ${what}: ${inGibibytes(free)} free, a cluster of ${nodes} needs ${inGibibytes(needed)}.`,
      );
    }
  };
  require(`disk in ${stateRoot}`, have.state, spaceForState * nodes);
  require(`disk in ${cacheDirectory()}`, have.cache, spaceForCache);
  require("memory", have.memory, memoryForCluster + memoryForNode * (nodes - 1));
}

export async function requireResources(nodes: number): Promise<void> {
  checkResources(nodes, {
    state: await freeSpace(stateRoot),
    cache: await freeSpace(cacheDirectory()),
    memory: availableMemory(await readFile("/proc/meminfo", "utf8")),
  });
  const mounts = await readFile("/proc/self/mounts", "utf8");
  if (!/^\S+ \S+ cgroup2? \S*\brw\b/m.test(mounts)) {
    throw new NotPossibleHere(
      "No cgroup hierarchy is mounted for writing on this machine: containers cannot be limited.",
    );
  }
}

/** Where a program lies; `sbin` is looked into as well, as a user's PATH often lacks it. */
export async function findProgram(name: string): Promise<string | undefined> {
  const places = [...(process.env.PATH ?? "").split(delimiter), "/usr/local/sbin", "/usr/sbin", "/sbin"];
  for (const place of places) {
    const path = join(place, name);
    if (
      await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
    ) {
      if ((await stat(path)).isFile()) return path;
    }
  }
  return undefined;
}

async function missingPackages(): Promise<string[]> {
  const missing = new Set<string>();
  for (const [program, name] of Object.entries(programs))
    if ((await findProgram(program)) === undefined) missing.add(name);
  for (const [file, name] of Object.entries(files)) if (!existsSync(file)) missing.add(name);
  return [...missing];
}

/** Installs the Debian packages that nodes and images are made with, where they are missing. */
export async function requirePackages(): Promise<void> {
  const missing = await missingPackages();
  if (missing.length === 0) return;
  const command = `apt-get install --no-install-recommends ${missing.join(" ")}`;
  if ((await findProgram("apt-get")) === undefined) {
    throw new NotPossibleHere(
      `Missing on this machine, which has no apt-get: ${missing.join(", ")}. Install them and repeat.`,
    );
  }
  step(`packages: installing ${missing.join(", ")}`);
  const environment = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  try {
    await run("apt-get", ["update", "-q"], { env: environment });
    await run("apt-get", ["install", "-q", "-y", "--no-install-recommends", ...missing], { env: environment });
  } catch (error) {
    const detail =
      error instanceof ProgramFailed ? error.stderr.trim().split("\n").slice(-6).join("\n") : String(error);
    throw new Error(`Packages could not be installed, no cluster was touched. Try it by hand: ${command}\n${detail}`, {
      cause: error,
    });
  }
}
