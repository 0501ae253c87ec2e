import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { connectionUrl, type SslMode } from "../postgresql/connection-url";
import { names } from "./names";
import { secretData } from "./secret-data";

/** A host and port that take PostgreSQL connections. */
export interface Endpoint {
  readonly host: pulumi.Input<string>;
  readonly port: number;
}

/** Arguments of {@link Connection}. */
export interface ConnectionArgs {
  readonly namespace: pulumi.Input<string>;
  /** What applications connect to. */
  readonly pooled: Endpoint;
  /** The primary itself, for schema migrations, LISTEN and advisory locks. */
  readonly direct: Endpoint;
  readonly database: string;
  readonly username: string;
  readonly password: pulumi.Input<string>;
  /** @default require */
  readonly sslmode?: SslMode;
  /** Refuse to delete the Secret. */
  readonly protect: boolean;
}

/** How to connect: URLs for the stack's outputs, and the same in a Secret for pods. */
export class Connection extends pulumi.ComponentResource {
  /** Through the pooler. Secret. */
  readonly url: pulumi.Output<string>;
  /** To the primary. Secret. */
  readonly directUrl: pulumi.Output<string>;
  /** Name of the Secret that holds both, known once it exists. */
  readonly secretName: pulumi.Output<string>;

  constructor(name: string, args: ConnectionArgs, options?: pulumi.ComponentResourceOptions) {
    super("naytife:postgres:Connection", name, {}, options);
    this.url = this.urlTo(args.pooled, args);
    this.directUrl = this.urlTo(args.direct, args);
    const secret = new kubernetes.core.v1.Secret(
      names.connectionSecret,
      {
        metadata: {
          name: names.connectionSecret,
          namespace: args.namespace,
        },
        type: "Opaque",
        data: secretData({
          DATABASE_URL: this.url,
          DATABASE_URL_DIRECT: this.directUrl,
          host: args.pooled.host,
          port: String(args.pooled.port),
          database: args.database,
          username: args.username,
          password: args.password,
        }),
      },
      // A destroy begins with what nothing depends on, so here. Unless it previews first, it deletes whatever comes before the
      // first protected resource: were this not one, it would take the pooler from the applications before it is refused.
      { parent: this, protect: args.protect },
    );
    this.secretName = secret.metadata.name;
    this.registerOutputs({ url: this.url, directUrl: this.directUrl, secretName: this.secretName });
  }

  private urlTo(
    endpoint: Endpoint,
    { database, username, password, sslmode = "require" }: ConnectionArgs,
  ): pulumi.Output<string> {
    return pulumi.secret(
      pulumi
        .all([endpoint.host, password])
        .apply(([host, plain]) =>
          connectionUrl({ username, password: plain, host, port: endpoint.port, database, sslmode }),
        ),
    );
  }
}
