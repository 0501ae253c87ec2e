/**
 * Bundles the stand-ins of test/engine/stand-ins into one file each, so that they start in a fraction of a second. Built once into
 * the cache, keyed by their sources and by the locked packages.
 */
import { build } from "esbuild";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { cacheDirectory } from "../cache";

const checkout = resolve(__dirname, "../..");
const sources = join(checkout, "test/engine/stand-ins");

/**
 * The directory of a stand-in, holding the launcher `pulumi-resource-<name>` and its program.
 * @param name Provider, as in `pulumi-resource-<name>`.
 * @param version Version that the program's SDK asks the plugin to have.
 */
export async function standIn(name: string, version: string): Promise<string> {
  const directory = join(cacheDirectory(), "engine", "stand-ins", `${name}-${version}-${contentHash(name)}`);
  if (existsSync(directory)) return directory;
  mkdirSync(join(directory, ".."), { recursive: true });
  // Built beside its place and moved there whole: a build that dies leaves nothing that looks finished.
  const unfinished = mkdtempSync(`${directory}.unfinished-`);
  try {
    await build({
      entryPoints: [join(sources, name, "main.ts")],
      outfile: join(unfinished, "provider.cjs"),
      bundle: true,
      minify: true,
      platform: "node",
      format: "cjs",
      target: "node20",
      define: { STAND_IN_VERSION: JSON.stringify(version), "import.meta.url": "__stand_in_url" },
      banner: { js: 'const __stand_in_url = require("node:url").pathToFileURL(__filename).href;' },
      logLevel: "error",
    });
    const launcher = `#!/bin/sh\nexec '${process.execPath}' "\${0%/*}/provider.cjs" "$@"\n`;
    writeFileSync(join(unfinished, `pulumi-resource-${name}`), launcher, { mode: 0o755 });
    renameSync(unfinished, directory);
  } catch (error) {
    rmSync(unfinished, { recursive: true });
    if (!existsSync(directory)) throw error; // Otherwise another process was faster: its bundle is the same.
  }
  return directory;
}

function contentHash(name: string): string {
  const hash = createHash("sha256").update(process.execPath);
  const files = readdirTypeScript(sources).concat(readdirTypeScript(join(sources, name)));
  for (const file of [...files, join(checkout, "package-lock.json")]) hash.update(file).update(readFileSync(file));
  return hash.digest("hex").slice(0, 16);
}

function readdirTypeScript(directory: string): string[] {
  return readdirSync(directory)
    .filter((file) => file.endsWith(".ts"))
    .sort()
    .map((file) => join(directory, file));
}
