import type { OutputMap, Stack } from "@pulumi/pulumi/automation";

/**
 * After each run the Automation API starts the CLI three times more, to ask for the outputs and for the history: half of a small `up`'s time. From here on
 * this stack's runs return neither.
 *
 * @returns what reads the outputs, when they are wanted
 */
export function sparing(stack: Stack): () => Promise<OutputMap> {
  const outputs = stack.outputs.bind(stack);
  Object.assign(stack, { outputs: () => Promise.resolve({}), info: () => Promise.resolve(undefined) });
  return outputs;
}
