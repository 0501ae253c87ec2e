import { setTimeout } from "node:timers/promises";
import * as pulumi from "@pulumi/pulumi";

/** Milliseconds between two attempts, and how many there are: a minute and a half in all. */
const pause = 3_000;
const attempts = 30;

/**
 * Whether an operation failed because the operator's webhook could not be called, as opposed to having been called and
 * having refused: the API server words the two differently.
 *
 * @param error - the provider's message
 */
export function isWebhookAway(error: string): boolean {
  return error.includes("failed calling webhook");
}

/**
 * Repeats an operation on a custom resource while the operator's webhook cannot be reached. Pulumi has waited for the
 * operator's Deployment and for a ready pod behind its Service, but the API server's node learns of that pod a moment
 * later, and while the operator is updated its webhook is away for seconds. The provider does not repeat either.
 *
 * @param name - unique in the program
 */
export function retryWhileWebhookIsAway(name: string): pulumi.ErrorHook {
  return new pulumi.ErrorHook(name, async ({ errors }) => {
    const [latest] = errors;
    if (latest === undefined || !isWebhookAway(latest) || errors.length >= attempts) {
      return false;
    }
    await setTimeout(pause);
    return true;
  });
}
