import { down } from "../../local/kubernetes/cluster";
import { sharedClusterName } from "./cluster";

/** After all end-to-end tests. */
export default async function teardown(): Promise<void> {
  await down({ name: sharedClusterName });
}
