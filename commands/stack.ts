import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { validate, type Values } from "../config";
import { localBackend, workspaceDirectory } from "../local/engine/workspace";
import { readResult, type EmbeddedCluster } from "../local/kubernetes/cluster";
import { localStackConfig, pulumiDirectory } from "../local/stack-config";
import { project, root, stackConfiguration, stackFile } from "../local/stack-files";

/** Which stack, and what is said about it on the command line. */
export interface StackChoice {
  /** `Pulumi.<stack>.yaml` is its file. */
  readonly stack: string;
  /** The embedded cluster that the stack `local` runs on, unless a kubeconfig or a context says another. */
  readonly name: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  /** Settings of the stack over those of its file, by key of Pulumi.yaml. */
  readonly config: Readonly<Record<string, string>>;
}

/**
 * The stack's configuration as the program would read it: Pulumi.yaml's defaults, the stack's file, and what was said on
 * the command line. Neither Pulumi's CLI nor its state is asked, so this works where they are lost.
 *
 * @throws ConfigurationError, or Error where there is no such stack, setting or embedded cluster
 */
export async function stackValues(choice: StackChoice): Promise<Values> {
  const { stack, kubeconfig, context } = choice;
  const embedded = stack === "local" && kubeconfig === undefined && context === undefined;
  const ground = embedded ? await embeddedStack(choice.name) : { directory: root, config: {} };
  return configuration(stack, ground.directory, {
    ...ground.config,
    ...choice.config,
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
    ...(context === undefined ? {} : { kubeContext: context }),
  });
}

/** The stack's values, under the rules of the program. @throws ConfigurationError with all problems */
function configuration(stack: string, directory: string, overrides: Readonly<Record<string, string>>): Values {
  if (!existsSync(join(directory, `Pulumi.${stack}.yaml`))) {
    const known = readdirSync(directory).flatMap((file) => /^Pulumi\.(.+)\.yaml$/.exec(file)?.[1] ?? []);
    throw new Error(`There is no stack "${stack}" here (no Pulumi.${stack}.yaml); there is: ${known.join(", ")}.`);
  }
  const unknown = Object.keys(overrides).filter((key) => !Object.hasOwn(project.config, key));
  if (unknown.length > 0) {
    throw new Error(`There is no setting ${unknown.join(", ")}; Pulumi.yaml declares them all.`);
  }
  const file = stackFile(stack, directory);
  const texts = stackConfiguration(stack, overrides, directory);
  const encrypted = (key: string) => !(key in overrides) && isEncrypted(file[`${project.name}:${key}`]);
  return validate(
    project.name,
    // No command needs a value that is kept encrypted, and none is decrypted here.
    (key) => (encrypted(key) ? "(encrypted)" : texts[`${project.name}:${key}`]),
    encrypted,
  );
}

/** `pulumi config set --secret` writes an object with the one field `secure`. */
function isEncrypted(value: unknown): boolean {
  return typeof value === "object" && value !== null && "secure" in value;
}

/** Where the last `npm run local` left its stack's file, and what it told it of the embedded cluster. */
async function embeddedStack(name: string): Promise<{ directory: string; config: Record<string, string> }> {
  const cluster = await readResult(name);
  if (cluster === undefined) {
    throw new Error(
      `There is no embedded cluster "${name}" on this machine. \`npm run local\` makes it; for another cluster say --context, for another stack --stack.`,
    );
  }
  return { directory: lastWorkspace(cluster) ?? root, config: await localStackConfig(cluster) };
}

/** The stack's file as `npm run local` used it, with what its --config said; undefined where it has not run yet. */
function lastWorkspace(cluster: EmbeddedCluster): string | undefined {
  const stateDirectory = pulumiDirectory(cluster);
  const directory = workspaceDirectory(stateDirectory, localBackend(stateDirectory), "local");
  return existsSync(join(directory, "Pulumi.local.yaml")) ? directory : undefined;
}
