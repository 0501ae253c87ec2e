import { toolNames, usualToolNames, type ToolName } from "./catalog";
import { findTools, tools } from "./toolchain";

/** `npm run toolchain [-- NAME…]`: builds what is missing of the named tools (by default all that are not only built on demand) and prints where each is. */
async function main(requested: readonly string[]): Promise<void> {
  const unknown = requested.filter((name) => !toolNames.includes(name as ToolName));
  if (unknown.length > 0) {
    throw new Error(`Not in the toolchain: ${unknown.join(", ")}. It has ${toolNames.join(", ")}.`);
  }
  const names = requested.length > 0 ? (requested as ToolName[]) : usualToolNames;
  await tools(names);
  for (const { name, version, from, path } of await findTools(names)) {
    process.stdout.write(`${name}\t${version}\t${from}\t${path}\n`);
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
