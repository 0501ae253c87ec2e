import { down } from "../../local/kubernetes/cluster";
import prepareEngine from "../engine/setup";
import { sharedCluster, sharedClusterName } from "./cluster";
import { kubectl } from "./kubectl";

/** Before all end-to-end tests: everything that is built once, and the shared cluster, anew, with the operator. */
export default async function setup(): Promise<void> {
  await prepareEngine();
  await down({ name: sharedClusterName }); // What an interrupted run left.
  const cluster = await sharedCluster();
  // Two files that begin at once would both find none. Each waits for it until it needs it.
  await kubectl(cluster, ["apply", "--server-side", "-f", cluster.operatorManifest]);
}
