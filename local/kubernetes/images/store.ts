import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readdir, rename, rm, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { cacheDirectory } from "../../cache";
import { withLock } from "../../lock";
import { during, step } from "../../progress";
import { run } from "../../run";
import { tools } from "../../toolchain/toolchain";
import { twoAtATime } from "../../two-at-a-time";

/** A containerd that imports images and does nothing else: it runs no container. */
function configuration(root: string, runtime: string): string {
  return `version = 3
root = "${root}"
state = "${runtime}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime", "io.containerd.nri.v1.nri"]

[grpc]
address = "${runtime}/containerd.sock"

[plugins."io.containerd.internal.v1.opt"]
path = "${runtime}/opt"
`;
}

async function fill(root: string, archives: readonly string[]): Promise<void> {
  const { containerd, ctr } = await tools(["containerd", "ctr"]);
  const runtime = await mkdtemp("/run/naytife-images-");
  const file = join(runtime, "containerd.toml");
  const socket = join(runtime, "containerd.sock");
  await writeFile(file, configuration(root, runtime));
  // What it mounts while it unpacks stays in its own mount namespace, and goes with it.
  const daemon = spawn("unshare", ["--mount", containerd, "--config", file, "--log-level", "error"], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const ended = new Promise<void>((resolve) =>
    daemon.once("close", () => {
      resolve();
    }),
  );
  try {
    for (let attempt = 0; !existsSync(socket); attempt++) {
      if (attempt === 300 || daemon.exitCode !== null)
        throw new Error("containerd did not start; no image was imported.");
      await sleep(50);
    }
    await twoAtATime(archives, async (archive) => {
      await run(ctr, ["--address", socket, "--namespace", "k8s.io", "images", "import", archive]);
    });
  } finally {
    // Asked to, it writes its databases to the end.
    daemon.kill("SIGTERM");
    await ended;
    await rm(runtime, { recursive: true, force: true });
  }
}

/**
 * A containerd root directory with these images imported and unpacked, made once: importing takes a minute, and every node of every
 * cluster starts with the same images.
 */
export async function imageStore(archives: readonly string[]): Promise<string> {
  const { containerd } = await tools(["containerd"]);
  const key = createHash("sha256")
    .update(JSON.stringify([containerd, archives]))
    .digest("hex")
    .slice(0, 32);
  const store = join(cacheDirectory(), "images", `store-${key}`);
  if (existsSync(store)) return store;
  const waiting = () => {
    step("images: another process unpacks them; waiting for it");
  };
  await withLock(join(cacheDirectory(), "images", "lock"), waiting, async () => {
    if (existsSync(store)) return;
    const unfinished = `${store}.unfinished`;
    await rm(unfinished, { recursive: true, force: true });
    await mkdir(unfinished, { recursive: true });
    await during(`images: unpacking ${archives.length}`, () => fill(unfinished, archives));
    await rename(unfinished, store);
  });
  return store;
}

/**
 * Gives a node that has none yet a containerd root directory with the store's images. Files are linked, not copied, where both lie on
 * one file system: containerd never writes to a blob or an unpacked layer again. Only its databases change, and are the node's own.
 */
export async function seedFromStore(store: string, directory: string): Promise<void> {
  if (existsSync(directory) && (await readdir(directory)).length > 0) return;
  const unfinished = `${directory}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  await run("cp", ["--archive", "--link", store, unfinished]).catch(async () => {
    await rm(unfinished, { recursive: true, force: true });
    await run("cp", ["--archive", store, unfinished]);
  });
  for (const entry of await readdir(unfinished, { recursive: false })) {
    const place = join(unfinished, entry);
    // Databases lie at the top of the plugins' directories; layers below.
    for (const name of await readdir(place).catch(() => [])) {
      if (!name.endsWith(".db")) continue;
      const own = join(place, `${name}.own`);
      await copyFile(join(place, name), own);
      await unlink(join(place, name));
      await rename(own, join(place, name));
    }
  }
  await rm(directory, { recursive: true, force: true });
  await rename(unfinished, directory);
}
