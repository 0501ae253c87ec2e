import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { build } from "esbuild";

const sources = resolve(__dirname, "../../migration");

/** The migration's engine as one program: to start it from its sources, as `pulumi up` does, takes longer than most phases. */
export interface Program {
  /** The file for Node.js. */
  readonly path: string;
  readonly remove: () => Promise<void>;
}

export async function bundleEngine(): Promise<Program> {
  const directory = await mkdtemp(join(tmpdir(), "campaign-"));
  const path = join(directory, "engine", "main.js");
  await build({
    entryPoints: [join(sources, "engine", "main.ts")],
    outfile: path,
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node20",
    define: { "import.meta.url": "__main_url" },
    banner: { js: 'const __main_url = require("node:url").pathToFileURL(__filename).href;' },
    logLevel: "error",
  });
  // The scripts are where it looks for them.
  await symlink(join(sources, "job"), join(directory, "job"));
  return { path, remove: () => rm(directory, { recursive: true }) };
}
