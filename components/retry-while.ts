import { setTimeout } from "node:timers/promises";
import * as pulumi from "@pulumi/pulumi";

/**
 * Repeats a resource's operation while it fails for a reason that passes by itself.
 *
 * @param name - unique in the program
 * @param passes - whether the provider's message tells of such a reason
 * @param pause - milliseconds between two attempts
 * @param attempts - how many there are at most, the first included
 */
export function retryWhile(
  name: string,
  passes: (error: string) => boolean,
  { pause, attempts }: { readonly pause: number; readonly attempts: number },
): pulumi.ErrorHook {
  return new pulumi.ErrorHook(name, async ({ errors }) => {
    const [latest] = errors;
    if (latest === undefined || !passes(latest) || errors.length >= attempts) {
      return false;
    }
    await setTimeout(pause);
    return true;
  });
}
