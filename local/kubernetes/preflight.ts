import { existsSync } from "node:fs";
import { access, constants, readFile, stat } from "node:fs/promises";
import { delimiter, isAbsolute, join } from "node:path";
import { cacheDirectory } from "../cache";
import { step } from "../progress";
import { ProgramFailed, run } from "../run";
import { freeSpace } from "../toolchain/space";
import type { ImagesFrom } from "./images/images";
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

/** What nodes are made with. */
const forNodes: Readonly<Record<string, string>> = {
  unshare: "util-linux",
  nsenter: "util-linux",
  flock: "util-linux",
  mount: "mount",
  ip: "iproute2",
  openssl: "openssl",
  iptables: "iptables",
  conntrack: "conntrack",
  runc: "runc",
  [join(cniPlugins, "ptp")]: "containernetworking-plugins",
};
/** What images are assembled with. */
const forImages: Readonly<Record<string, string>> = {
  mmdebstrap: "mmdebstrap",
  "/bin/busybox": "busybox-static",
};

/** A requirement that this machine does not meet. Nothing was changed when it is thrown. */
class NotPossibleHere extends Error {
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

export type Architecture = "amd64" | "arm64";

/** The architecture of this machine, in the word that images use. @throws where it is one that nothing here was made for. */
export function architecture(machine: string = process.arch): Architecture {
  if (machine === "x64") return "amd64";
  if (machine === "arm64") return "arm64";
  throw new NotPossibleHere(
    `The embedded Kubernetes runs on amd64 and arm64, and this machine is ${machine}. Use an existing cluster with --context NAME.`,
  );
}

/** @throws where images have to be assembled and the machine, as its /etc/os-release says, is not Debian. */
export function requireDebian(osRelease: string): void {
  if (/^ID="?debian"?$/m.test(osRelease)) return;
  const name = /^PRETTY_NAME="?([^"\n]+)/m.exec(osRelease)?.[1] ?? "something else";
  throw new NotPossibleHere(
    "Not every registry of the images answers, so they have to be assembled from Debian's packages. That takes a machine with Debian " +
      `and its apt sources; this one has ${name}. Run it on Debian, or where the registries can be reached, or use an existing cluster ` +
      "with --context NAME.",
  );
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

/** The program or file that shows it is there → Debian's package, for all that a cluster needs beside the toolchain. */
export function requirements(origin: ImagesFrom): Readonly<Record<string, string>> {
  return origin === "assembled" ? { ...forNodes, ...forImages } : forNodes;
}

async function missingPackages(required: Readonly<Record<string, string>>): Promise<string[]> {
  const missing = new Set<string>();
  for (const [what, name] of Object.entries(required)) {
    const there = isAbsolute(what) ? existsSync(what) : (await findProgram(what)) !== undefined;
    if (!there) missing.add(name);
  }
  return [...missing];
}

/**
 * Installs the Debian packages that nodes are made with, and those that images are assembled with where they are, if any is missing.
 * @throws {@link NotPossibleHere} where images have to be assembled on anything but Debian, or where there is no apt-get
 */
export async function requirePackages(origin: ImagesFrom): Promise<void> {
  if (origin === "assembled") requireDebian(await readFile("/etc/os-release", "utf8").catch(() => ""));
  const missing = await missingPackages(requirements(origin));
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
