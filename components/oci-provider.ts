import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { Provider } from "@pulumi/oci/provider";
import * as pulumi from "@pulumi/pulumi";

/**
 * The provider of OCI's resources of one region. Who asks is not configuration of the stack: it is the engineer's own
 * `~/.oci/config`, or the variables that Oracle's provider reads (`OCI_*`, `TF_VAR_*`), as with a kubeconfig.
 *
 * Without credentials Oracle's provider refuses to start, a preview included. A preview then goes on with a provider that is
 * not started: Pulumi starts none whose settings it does not know yet. It shows what is to be made, and cannot tell what
 * would change of what exists.
 *
 * @param region - for instance eu-frankfurt-1
 */
export function ociProvider(name: string, region: string, options: pulumi.CustomResourceOptions): Provider {
  const unstarted = pulumi.runtime.isDryRun() && !hasCredentials(process.env, homedir());
  return new Provider(name, { region: unstarted ? unknownText : region }, options);
}

const unknownText = pulumi.output(pulumi.unknown) as unknown as pulumi.Output<string>;

/** Where Oracle's provider finds credentials: internal/provider/provider.go of terraform-provider-oci, DefaultConfigProvider of oci-go-sdk. */
export function hasCredentials(environment: Readonly<Record<string, string | undefined>>, home: string): boolean {
  const settings = ["auth", "private_key", "private_key_path"];
  const variables = settings.flatMap((setting) => [`OCI_${setting.toUpperCase()}`, `TF_VAR_${setting}`]);
  return (
    [...variables, "OCI_CONFIG_FILE"].some((variable) => (environment[variable] ?? "") !== "") ||
    existsSync(join(home, ".oci", "config"))
  );
}
