/**
 * A Go program that is built here, at the version that its group's go.mod requires. Modules that a group shares with the group `kubernetes` are held
 * at that group's versions where the program allows it: what is compiled for one is then there for the other.
 */
export interface Program {
  /** The folder beside this file with go.mod, go.sum, and tools.go or main.go; programs whose requirements conflict have groups of their own. */
  readonly group: string;
  /** The module whose version in go.mod is the program's; the group's own module where there is none. */
  readonly module?: string;
  readonly package: string;
  readonly tags?: readonly string[];
  /** Linker variables that tell the program its version (`v1.2.3`). */
  readonly variables?: (version: string) => Readonly<Record<string, string>>;
  /**
   * The arguments that make it print its version. A program on PATH is used where its output names the required one.
   * Absent where a program goes into an image: there it must be the static build.
   */
  readonly versionArguments?: readonly string[];
  /** Built only where it is asked for by name: one test has it run, and nothing else needs it. */
  readonly onDemand?: true;
}

const kubernetes = (program: string): Program => ({
  group: "kubernetes",
  module: "k8s.io/kubernetes",
  package: `k8s.io/kubernetes/cmd/${program}`,
  variables: (version) => {
    const [major = "", minor = ""] = version.replace(/^v/, "").split(".");
    return {
      "k8s.io/component-base/version.gitVersion": version,
      "k8s.io/component-base/version.gitMajor": major,
      "k8s.io/component-base/version.gitMinor": minor,
      "k8s.io/client-go/pkg/version.gitVersion": version,
    };
  },
  versionArguments: program === "kubectl" ? ["version", "--client"] : ["--version"],
});

const prometheusOperator = (program: string): Program => ({
  group: "prometheus-operator",
  module: "github.com/prometheus-operator/prometheus-operator",
  package: `github.com/prometheus-operator/prometheus-operator/cmd/${program}`,
  variables: (version) => ({ "github.com/prometheus/common/version.Version": version.replace(/^v/, "") }),
  onDemand: true,
});

const containerd = (program: string, versionArgument: string): Program => ({
  group: "containerd",
  module: "github.com/containerd/containerd/v2",
  package: `github.com/containerd/containerd/v2/cmd/${program}`,
  // Snapshotters that need C libraries and that nobody asks for here.
  tags: ["no_btrfs", "no_devmapper", "no_zfs"],
  variables: (version) => ({ "github.com/containerd/containerd/v2/version.Version": version }),
  versionArguments: [versionArgument],
});

/** The package of a program whose main.go lies in its group's folder. */
export const ownSource = ".";

/** Every program of the toolchain, in the order in which they are begun, the longest first. One more is one more entry. */
export const catalog = {
  pulumi: {
    group: "pulumi",
    module: "github.com/pulumi/pulumi/pkg/v3",
    package: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    variables: (version) => ({ "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version": version }),
    versionArguments: ["version"],
  },
  "kube-apiserver": kubernetes("kube-apiserver"),
  "kube-controller-manager": kubernetes("kube-controller-manager"),
  "kube-scheduler": kubernetes("kube-scheduler"),
  kubelet: kubernetes("kubelet"),
  "kube-proxy": kubernetes("kube-proxy"),
  kubectl: kubernetes("kubectl"),
  etcd: {
    group: "etcd",
    module: "go.etcd.io/etcd/server/v3",
    package: "go.etcd.io/etcd/server/v3",
    versionArguments: ["--version"],
  },
  containerd: containerd("containerd", "--version"),
  "containerd-shim-runc-v2": containerd("containerd-shim-runc-v2", "-v"),
  ctr: containerd("ctr", "--version"),
  pause: { group: "pause", package: ownSource },
  coredns: { group: "coredns", module: "github.com/coredns/coredns", package: ownSource },
  "local-path-provisioner": {
    group: "local-path-provisioner",
    module: "github.com/rancher/local-path-provisioner",
    package: "github.com/rancher/local-path-provisioner",
    variables: (version) => ({ "main.VERSION": version }),
  },
  "cnpg-manager": {
    group: "cloudnative-pg",
    module: "github.com/cloudnative-pg/cloudnative-pg",
    package: "github.com/cloudnative-pg/cloudnative-pg/cmd/manager",
    variables: (version) => ({
      "github.com/cloudnative-pg/cloudnative-pg/pkg/versions.buildVersion": version.replace(/^v/, ""),
    }),
  },
  "barman-cloud-manager": {
    group: "plugin-barman-cloud",
    module: "github.com/cloudnative-pg/plugin-barman-cloud",
    package: "github.com/cloudnative-pg/plugin-barman-cloud/cmd/manager",
  },
  versitygw: {
    group: "versitygw",
    module: "github.com/versity/versitygw",
    package: "github.com/versity/versitygw/cmd/versitygw",
    variables: (version) => ({ "main.Version": version }),
  },
  "prometheus-operator": prometheusOperator("operator"),
  "prometheus-config-reloader": prometheusOperator("prometheus-config-reloader"),
  "kube-state-metrics": {
    group: "kube-state-metrics",
    module: "k8s.io/kube-state-metrics/v2",
    package: "k8s.io/kube-state-metrics/v2",
    // Its image has no time zones, which CronJobs name.
    tags: ["timetzdata"],
    variables: (version) => ({ "github.com/prometheus/common/version.Version": version }),
    onDemand: true,
  },
} satisfies Record<string, Program>;

export type ToolName = keyof typeof catalog;

export const toolNames = Object.keys(catalog) as ToolName[];

/** What `npm run toolchain` builds where it is given no names: all that the program, `npm run local` and the tests of each change need. */
export const usualToolNames = toolNames.filter((name) => {
  const program: Program = catalog[name];
  return program.onDemand === undefined;
});

/** Modules that carry manifests and CRDs which are read from where Go keeps them; no copy is committed. */
export const manifestModules = {
  "cloudnative-pg": { group: "cloudnative-pg", module: "github.com/cloudnative-pg/cloudnative-pg" },
  "local-path-provisioner": { group: "local-path-provisioner", module: "github.com/rancher/local-path-provisioner" },
  "plugin-barman-cloud": { group: "plugin-barman-cloud", module: "github.com/cloudnative-pg/plugin-barman-cloud" },
  "prometheus-operator": {
    group: "prometheus-operator",
    module: "github.com/prometheus-operator/prometheus-operator",
  },
} as const;

export type ManifestModule = keyof typeof manifestModules;
