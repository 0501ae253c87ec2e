import { access, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { cacheDirectory } from "../local/cache";
import { run } from "../local/run";

/** Where promtool lies once {@link preparePromtool} has run, where it is not on PATH. */
const own = join(cacheDirectory(), "promtool");

/**
 * promtool, Prometheus's own judge of rules: the one on PATH, else out of Debian's package `prometheus`, of which nothing is installed. Building it
 * takes longer than eight minutes on two cores.
 */
export async function promtool(): Promise<string> {
  for (const directory of [...(process.env.PATH ?? "").split(delimiter), own]) {
    const program = join(directory, "promtool");
    if (directory !== "" && (await isThere(program))) return program;
  }
  throw new Error(
    `promtool is neither on PATH nor in ${own}. Nothing was tested. Repeat with the registry of Debian's packages in reach.`,
  );
}

/** Before the layer's tests: a download takes longer than a test may. */
export async function preparePromtool(): Promise<void> {
  try {
    await promtool();
    return;
  } catch {
    await mkdir(cacheDirectory(), { recursive: true });
  }
  const work = await mkdtemp(`${own}-`);
  try {
    await download(work);
    const [archive] = (await readdir(work)).filter((name) => name.endsWith(".deb"));
    if (archive === undefined) throw new Error("apt-get downloaded no package prometheus. Nothing was tested.");
    await run("dpkg-deb", ["--extract", join(work, archive), work]);
    await mkdir(own, { recursive: true });
    await rename(join(work, "usr", "bin", "promtool"), join(own, "promtool"));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** On a machine that has no package lists yet, they are fetched first. */
async function download(directory: string): Promise<void> {
  const fetch = ["download", "-o", "APT::Sandbox::User=root", "prometheus"];
  try {
    await run("apt-get", fetch, { cwd: directory });
  } catch {
    await run("apt-get", ["update"]);
    await run("apt-get", fetch, { cwd: directory });
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}
