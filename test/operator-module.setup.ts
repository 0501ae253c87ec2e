import { moduleDirectory } from "../local/toolchain/toolchain";

/** Before the layers that read the operator's and the plugin's CRDs: fetching their Go modules takes longer than a test may. */
export default async function setup(): Promise<void> {
  await moduleDirectory("cloudnative-pg");
  await moduleDirectory("plugin-barman-cloud");
}
