import { moduleDirectory } from "../local/toolchain/toolchain";

/** Before the layers that read the operator's CRDs: fetching its Go module takes longer than a test may. */
export default async function setup(): Promise<void> {
  await moduleDirectory("cloudnative-pg");
}
