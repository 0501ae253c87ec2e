import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { names } from "./names";
import { secretData } from "./secret-data";

/** Arguments of {@link Credentials}. */
export interface CredentialsArgs {
  readonly namespace: pulumi.Input<string>;
  /** Role that owns the database. */
  readonly username: string;
  /** Its password, to take over one that exists. undefined: a random one, made once and kept. */
  readonly password: pulumi.Output<string> | undefined;
  /** Refuse to lose the random password. */
  readonly protect: boolean;
  /** Leave the Secret when the stack is destroyed, for the database that stays. */
  readonly retainOnDelete: boolean;
}

/** The application role's name and password, in the Secret that the cluster is bootstrapped with. */
export class Credentials extends pulumi.ComponentResource {
  readonly username: string;
  /** Secret. */
  readonly password: pulumi.Output<string>;
  /** Name of the Secret, known once it exists. */
  readonly secretName: pulumi.Output<string>;

  constructor(name: string, args: CredentialsArgs, options?: pulumi.ComponentResourceOptions) {
    super("naytife:postgres:Credentials", name, {}, options);
    this.username = args.username;
    this.password = args.password ?? this.randomPassword(`${name}-password`, args.protect);
    const secret = new kubernetes.core.v1.Secret(
      names.credentialsSecret,
      {
        metadata: {
          name: names.credentialsSecret,
          namespace: args.namespace,
          // The operator gives the role the new password when the Secret changes.
          labels: { "cnpg.io/reload": "true" },
        },
        type: "kubernetes.io/basic-auth",
        data: secretData({ username: this.username, password: this.password }),
      },
      { parent: this, retainOnDelete: args.retainOnDelete },
    );
    this.secretName = secret.metadata.name;
    this.registerOutputs({ username: this.username, password: this.password, secretName: this.secretName });
  }

  /** No keepers, and no change of the rules below, ever makes a new one: that would lock the application out. */
  private randomPassword(name: string, protect: boolean): pulumi.Output<string> {
    const password = new random.RandomPassword(
      name,
      { length: 32, special: false },
      { parent: this, protect, ignoreChanges: ["length", "special"] },
    );
    return pulumi.secret(password.result);
  }
}
