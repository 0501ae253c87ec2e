import * as crypto from "node:crypto";
import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { selfSignedCertificate, validityAt, type CertificateDescription } from "./certificate";
import { installManifest, ManifestError, type ManifestResource } from "./manifest";
import { names } from "./names";
import { secretData } from "./secret-data";

/** By this name Clusters ask for the plugin. */
export const pluginName = "barman-cloud.cloudnative-pg.io";

/** Secrets that the manifest's Deployment mounts and its Service names. */
const serverSecret = "barman-cloud-server-tls";
const clientSecret = "barman-cloud-client-tls";

/** Where the plugin serves its metrics: in clear and to everybody in the cluster, as the operator does. By itself it serves none. */
const metricsPort = 8080;

/** Arguments of {@link BarmanPlugin}. */
export interface BarmanPluginArgs {
  /** Objects of the plugin's release manifest. */
  readonly manifest: readonly ManifestResource[];
  /** Image of the plugin, with tag. */
  readonly image: string;
  /** Image of what it puts beside PostgreSQL in each instance, with tag. */
  readonly sidecarImage: string;
  /** Who makes the certificates by which operator and plugin know each other: cert-manager, as the manifest has it, or this program. */
  readonly certificates: "cert-manager" | GeneratedCertificates;
  /** Leave the plugin when the stack is destroyed, for the clusters that stay. */
  readonly retainOnDelete: boolean;
}

/** Certificates of this program's. */
export interface GeneratedCertificates {
  /** Days that one is valid. */
  readonly days: number;
  readonly now: Date;
}

/** The parts of the plugin's Deployment that are changed. */
interface PluginDeployment {
  readonly spec: {
    readonly template: {
      readonly metadata?: { readonly annotations?: object };
      readonly spec: { readonly containers: readonly PluginContainer[] };
    };
  };
}

interface PluginContainer {
  readonly env?: readonly { readonly name: string }[];
  readonly args?: readonly string[];
  readonly ports?: readonly object[];
  readonly readinessProbe?: object;
}

/**
 * The manifest's objects with the images of the configuration, and metrics. The manifest of a release's source names testing images, and keeps the sidecar's in a Secret
 * whose change restarts nothing.
 *
 * @param fingerprint - of the certificates, whose change restarts the plugin: the operator takes new ones at once, a mounted Secret follows late
 * @throws ManifestError where the manifest is not the plugin's
 */
export function pluginObjects(
  manifest: readonly ManifestResource[],
  {
    image,
    sidecarImage,
    certManager,
    fingerprint,
  }: { image: string; sidecarImage: string; certManager: boolean; fingerprint?: pulumi.Input<string> },
): ManifestResource[] {
  let deployments = 0;
  const objects = manifest.flatMap(({ object, type }) => {
    if (object.kind === "Secret" || (!certManager && object.apiVersion.startsWith("cert-manager.io/"))) return [];
    if (object.kind !== "Deployment") return [{ object, type }];
    const { spec, ...rest } = object as typeof object & PluginDeployment;
    const { template } = spec;
    const [container, ...others] = template.spec.containers;
    if (container?.env?.some(({ name }) => name === "SIDECAR_IMAGE") !== true || others.length > 0) return [];
    deployments++;
    const changed = {
      ...rest,
      spec: {
        ...spec,
        template: {
          ...template,
          metadata: {
            ...template.metadata,
            annotations: {
              ...template.metadata?.annotations,
              ...(fingerprint === undefined ? {} : { "naytife.com/certificates": fingerprint }),
            },
          },
          spec: {
            ...template.spec,
            containers: [
              {
                ...container,
                image,
                env: container.env.map((variable) =>
                  variable.name === "SIDECAR_IMAGE" ? { name: variable.name, value: sidecarImage } : variable,
                ),
                // internal/cmd/operator/main.go has the flags.
                args: [...(container.args ?? []), `--metrics-bind-address=:${metricsPort}`, "--metrics-secure=false"],
                // By this name a PodMonitor finds it.
                ports: [...(container.ports ?? []), { name: "metrics", containerPort: metricsPort, protocol: "TCP" }],
                // It serves after a second; the manifest looks after ten, and so long no Cluster is made or mended.
                readinessProbe: { ...container.readinessProbe, initialDelaySeconds: 1, periodSeconds: 2 },
              },
            ],
          },
        },
      },
    };
    return [{ object: changed, type }];
  });
  if (deployments !== 1) {
    throw new ManifestError(
      "The backup plugin's manifest has no Deployment of one container with SIDECAR_IMAGE, so it is no release of plugin-barman-cloud. " +
        "Nothing was changed. Mend backupPluginManifest.",
    );
  }
  return objects;
}

/**
 * The Barman Cloud plugin beside the operator. What depends on this component is created when it serves: the operator makes no instance of a Cluster whose
 * plugin does not answer.
 */
export class BarmanPlugin extends pulumi.ComponentResource {
  constructor(name: string, args: BarmanPluginArgs, options?: pulumi.ComponentResourceOptions) {
    super("naytife:postgres:BarmanPlugin", name, {}, options);
    const children: pulumi.CustomResourceOptions = { parent: this, retainOnDelete: args.retainOnDelete };
    const { image, sidecarImage } = args;
    if (args.certificates === "cert-manager") {
      installManifest(pluginObjects(args.manifest, { image, sidecarImage, certManager: true }), children);
    } else {
      const { secrets, fingerprint } = this.certificates(name, args.certificates, children);
      const objects = pluginObjects(args.manifest, { image, sidecarImage, certManager: false, fingerprint });
      installManifest(objects, { ...children, dependsOn: secrets });
    }
    this.registerOutputs({});
  }

  /**
   * Either side trusts the other's certificate itself, as with the manifest's self-signed issuer; the operator calls the plugin by its Service's name. Both
   * are made anew, keys included, by the first update in the last third of their life.
   */
  private certificates(
    name: string,
    { days, now }: GeneratedCertificates,
    options: pulumi.CustomResourceOptions,
  ): { secrets: pulumi.Resource[]; fingerprint: pulumi.Output<string> } {
    const validity = validityAt(now, days);
    const chance = new random.RandomPassword(
      `${name}-keys`,
      { length: 64, special: false, keepers: { notAfter: validity.notAfter.toISOString() } },
      { parent: this },
    );
    const made = [
      { secret: serverSecret, commonName: "barman-cloud", dnsNames: ["barman-cloud"], usage: "server" as const },
      { secret: clientSecret, commonName: "barman-cloud-client", dnsNames: [], usage: "client" as const },
    ].map(({ secret, ...certificate }) => {
      const issued = chance.result.apply((text) => issue(text, { ...certificate, ...validity }));
      const resource = new kubernetes.core.v1.Secret(
        secret,
        {
          metadata: {
            name: secret,
            namespace: names.operatorNamespace,
            // The operator reads it again when it changes.
            labels: { "cnpg.io/reload": "true" },
          },
          type: "kubernetes.io/tls",
          data: secretData({
            "tls.crt": issued.apply((pair) => pair.certificate),
            "tls.key": issued.apply((pair) => pair.key),
          }),
        },
        options,
      );
      return { resource, issued };
    });
    // Of public certificates.
    const fingerprint = pulumi.unsecret(
      pulumi.all(made.map(({ issued }) => issued)).apply((pairs) =>
        pairs
          .reduce((hash, { certificate }) => hash.update(certificate), crypto.createHash("sha256"))
          .digest("hex")
          .slice(0, 16),
      ),
    );
    return { secrets: made.map(({ resource }) => resource), fingerprint };
  }
}

/** @param chance - at least 256 bits of it */
function issue(chance: string, description: CertificateDescription) {
  const seed = crypto.createHash("sha256").update(`${description.usage} ${chance}`).digest();
  return selfSignedCertificate(description, seed);
}
