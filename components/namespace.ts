import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";

/** Arguments of {@link Namespace}. */
export interface NamespaceArgs {
  /** Its name in Kubernetes. */
  readonly name: string;
  /** Refuse to delete it. */
  readonly protect: boolean;
}

/**
 * The namespace that the database shares with the application. An existing one is adopted, and a destroy always leaves it:
 * the application and the legacy database live in it as well.
 */
export class Namespace extends pulumi.ComponentResource {
  /** The namespace's name, known once it exists. */
  readonly name: pulumi.Output<string>;

  constructor(name: string, args: NamespaceArgs, options?: pulumi.ComponentResourceOptions) {
    super("naytife:postgres:Namespace", name, {}, options);
    const namespace = new kubernetes.core.v1.Namespace(
      name,
      { metadata: { name: args.name } },
      { parent: this, protect: args.protect, retainOnDelete: true },
    );
    this.name = namespace.metadata.name;
    this.registerOutputs({ name: this.name });
  }
}
