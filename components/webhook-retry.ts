import type * as pulumi from "@pulumi/pulumi";
import { retryWhile } from "./retry-while";

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
 * Repeats an operation on a custom resource while the operator's webhook cannot be reached, for a minute and a half. Pulumi
 * has waited for the operator's Deployment and for a ready pod behind its Service, but the API server's node learns of that
 * pod a moment later, and while the operator is updated its webhook is away for seconds. The provider does not repeat either.
 *
 * @param name - unique in the program
 */
export function retryWhileWebhookIsAway(name: string): pulumi.ErrorHook {
  return retryWhile(name, isWebhookAway, { pause: 3_000, attempts: 30 });
}
