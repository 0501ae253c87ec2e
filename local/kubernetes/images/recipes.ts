import type { ToolName } from "../../toolchain/toolchain";
import { pauseImage } from "../components";
import type { Architecture } from "../preflight";

/** How an image runs, as in an image's configuration. */
interface ImageConfiguration {
  readonly User?: string;
  readonly Env: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly WorkingDir?: string;
}

interface Named {
  /** The names that manifests use, in full; the first is the one that a registry is asked for. */
  readonly names: readonly string[];
  readonly configuration: ImageConfiguration;
}

/** An image of one static program. */
export interface StaticImage extends Named {
  readonly kind: "static";
  /** The program and the absolute path that it gets; `busybox` is Debian's, with a link for each of its commands. */
  readonly program: ToolName | "busybox";
  readonly path: string;
  /** Symbolic links: path → target. */
  readonly links?: Readonly<Record<string, string>>;
}

/** An image of a minimal Debian with packages, finished by a script beside this file. */
export interface DebianImage extends Named {
  readonly kind: "debian";
  readonly suite: "bookworm" | "trixie";
  readonly packages: readonly string[];
  readonly script: string;
  /** Further files that the script reads. */
  readonly files?: readonly string[];
  /** Programs of the toolchain, each at the absolute path that it gets. */
  readonly programs?: Readonly<Partial<Record<ToolName, string>>>;
}

export type ImageRecipe = StaticImage | DebianImage;

const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/** The user that distroless images call nonroot. */
const nonRoot = "65532:65532";

/** The operand that clusters use here. */
export const postgresImage = "ghcr.io/cloudnative-pg/postgresql:17";
/** The pooler that operator 1.30.0 uses unless told otherwise. */
export const pgbouncerImage = "ghcr.io/cloudnative-pg/pgbouncer:1.25.1";
const operatorImage = "ghcr.io/cloudnative-pg/cloudnative-pg:1.30.0";
export const coreDnsImage = "registry.k8s.io/coredns/coredns:v1.12.4";
const localPathImage = "docker.io/rancher/local-path-provisioner:v0.0.30";
/** The legacy database. Where it is assembled it is Debian's glibc build; Docker's own default is Debian, too, `-alpine` is musl. */
export const legacyImage = "docker.io/library/postgres:15";

/** The Barman Cloud plugin, and what it puts beside PostgreSQL in each instance. */
export const backupPluginImage = "ghcr.io/cloudnative-pg/plugin-barman-cloud:v0.14.0";
export const backupSidecarImage = "ghcr.io/cloudnative-pg/plugin-barman-cloud-sidecar:v0.14.0";
/** The object store in the cluster. */
export const storeImage = "ghcr.io/versity/versitygw:v1.8.0";

/** Every image that a cluster needs, the ones that make it ready first. */
export const recipes = (architecture: Architecture): readonly ImageRecipe[] => [
  {
    kind: "static",
    names: [pauseImage],
    program: "pause",
    path: "/pause",
    configuration: { User: "65535:65535", Env: [`PATH=${path}`], Entrypoint: ["/pause"] },
  },
  {
    kind: "static",
    names: [coreDnsImage],
    program: "coredns",
    path: "/coredns",
    configuration: { Env: [`PATH=${path}`], Entrypoint: ["/coredns"] },
  },
  {
    kind: "static",
    names: [localPathImage],
    program: "local-path-provisioner",
    path: "/usr/bin/local-path-provisioner",
    configuration: { Env: [`PATH=${path}`], Entrypoint: ["local-path-provisioner"] },
  },
  {
    kind: "static",
    names: ["docker.io/library/busybox:latest"],
    program: "busybox",
    path: "/bin/busybox",
    configuration: { Env: [`PATH=${path}`], Cmd: ["sh"] },
  },
  {
    kind: "static",
    names: [operatorImage],
    program: "cnpg-manager",
    // The operator looks for its managers by this pattern.
    path: `/operator/manager_${architecture}`,
    links: { "/manager": `operator/manager_${architecture}` },
    configuration: { User: nonRoot, Env: [`PATH=${path}`], Entrypoint: ["/manager"] },
  },
  {
    kind: "debian",
    names: [postgresImage],
    suite: "trixie",
    packages: ["postgresql-17", "locales", "ca-certificates"],
    script: "operand.sh",
    configuration: {
      User: "26",
      Env: [`PATH=/usr/lib/postgresql/17/bin:${path}`, "LANG=C.UTF-8"],
      Cmd: ["bash"],
      WorkingDir: "/var/lib/postgresql",
    },
  },
  {
    kind: "debian",
    names: [pgbouncerImage],
    suite: "trixie",
    packages: ["pgbouncer", "ca-certificates"],
    script: "pgbouncer.sh",
    configuration: { User: "998:996", Env: [`PATH=${path}`], Cmd: ["pgbouncer"] },
  },
  {
    kind: "debian",
    names: [legacyImage],
    suite: "bookworm",
    packages: ["postgresql-15", "locales"],
    script: "legacy.sh",
    files: ["legacy-entrypoint.sh"],
    configuration: {
      Env: [`PATH=/usr/lib/postgresql/15/bin:${path}`, "LANG=en_US.utf8", "PGDATA=/var/lib/postgresql/data"],
      Entrypoint: ["docker-entrypoint.sh"],
      Cmd: ["postgres"],
    },
  },
  {
    kind: "static",
    names: [backupPluginImage],
    program: "barman-cloud-manager",
    path: "/manager",
    configuration: { User: nonRoot, Env: [`PATH=${path}`], Entrypoint: ["/manager"] },
  },
  {
    kind: "debian",
    names: [backupSidecarImage],
    suite: "trixie",
    // The libraries are what barman compresses with; Debian only suggests them.
    packages: [
      "barman-cli-cloud",
      "python3-boto3",
      "python3-lz4",
      "python3-snappy",
      "python3-zstandard",
      "ca-certificates",
    ],
    script: "barman-sidecar.sh",
    programs: { "barman-cloud-manager": "/manager" },
    configuration: { User: "26:26", Env: [`PATH=${path}`], Entrypoint: ["/manager"] },
  },
  {
    kind: "static",
    names: [storeImage],
    program: "versitygw",
    path: "/usr/local/bin/versitygw",
    configuration: { Env: [`PATH=${path}`], Entrypoint: ["versitygw"] },
  },
];

/** Of version 0.85.0, as its manifest names them. */
const prometheusOperatorImage = "quay.io/prometheus-operator/prometheus-operator:v0.85.0";
const configReloaderImage = "quay.io/prometheus-operator/prometheus-config-reloader:v0.85.0";
/** Debian trixie's versions. Both have their program in /bin, which a container has to name: here they are one image. */
export const prometheusImage = "quay.io/prometheus/prometheus:v2.53.3";
export const alertmanagerImage = "quay.io/prometheus/alertmanager:v0.28.1";

/** Of version 2.18.0. */
export const kubeStateMetricsImage = "registry.k8s.io/kube-state-metrics/kube-state-metrics:v2.18.0";

/** What watches a database. No cluster has them unless they are added to it: see addImages. */
export const monitoringRecipes: readonly ImageRecipe[] = [
  {
    kind: "static",
    names: [prometheusOperatorImage],
    program: "prometheus-operator",
    path: "/bin/operator",
    configuration: { User: "65534:65534", Env: [`PATH=${path}`], Entrypoint: ["/bin/operator"] },
  },
  {
    kind: "static",
    names: [configReloaderImage],
    program: "prometheus-config-reloader",
    path: "/bin/prometheus-config-reloader",
    configuration: { User: "65534:65534", Env: [`PATH=${path}`], Entrypoint: ["/bin/prometheus-config-reloader"] },
  },
  {
    kind: "static",
    names: [kubeStateMetricsImage],
    program: "kube-state-metrics",
    path: "/kube-state-metrics",
    configuration: { User: "65534:65534", Env: [`PATH=${path}`], Entrypoint: ["/kube-state-metrics"] },
  },
  {
    kind: "debian",
    names: [prometheusImage, alertmanagerImage],
    suite: "trixie",
    packages: ["prometheus", "prometheus-alertmanager"],
    script: "prometheus.sh",
    configuration: { User: "65534:65534", Env: [`PATH=${path}`], WorkingDir: "/prometheus" },
  },
];
