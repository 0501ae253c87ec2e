import { commonPlugins, findPlugins } from "../../local/engine/plugins";
import { tool } from "../../local/toolchain/toolchain";

/** Before the engine's tests: on a cold machine the CLI and the S3 store are built here, where no time limit runs. */
export default async function setup(): Promise<void> {
  await findPlugins(await tool("pulumi"), [...commonPlugins, "oci"]);
  await tool("versitygw");
}
