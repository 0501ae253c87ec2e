import operatorModule from "./operator-module.setup";
import { preparePromtool } from "./promtool";

/** Before the layer of the alerting rules: promtool that plays them, and the operator's module whose metrics they read. */
export default async function setup(): Promise<void> {
  await Promise.all([preparePromtool(), operatorModule()]);
}
