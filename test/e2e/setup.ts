import { down } from "../../local/kubernetes/cluster";
import prepareEngine from "../engine/setup";
import { sharedCluster, sharedClusterName } from "./cluster";

/** Before all end-to-end tests: everything that is built once, and the shared cluster, anew. */
export default async function setup(): Promise<void> {
  await prepareEngine();
  await down({ name: sharedClusterName }); // What an interrupted run left.
  await sharedCluster();
}
