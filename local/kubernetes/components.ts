import { join } from "node:path";
import type { ToolName } from "../toolchain/toolchain";
import {
  apiServerPort,
  clusterDomain,
  clusterFiles,
  dnsServiceAddress,
  nodePlan,
  podCidr,
  serviceCidr,
  type ClusterPlan,
  type NodePlan,
} from "./plan";

/** The pause image: the sandbox of each pod. */
export const pauseImage = "registry.k8s.io/pause:3.10";

/** Programs that every node runs, and those that the first runs beside them. */
export const nodePrograms = ["containerd", "kubelet", "kube-proxy"] as const satisfies readonly ToolName[];
export const controlPlanePrograms = [
  "etcd",
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
] as const satisfies readonly ToolName[];

/** What has to be on a node's PATH: its programs, and what they call by name. */
export const nodeTools = [
  ...controlPlanePrograms,
  ...nodePrograms,
  "containerd-shim-runc-v2",
  "ctr",
] as const satisfies readonly ToolName[];

type NodeProgram = (typeof nodePrograms)[number] | (typeof controlPlanePrograms)[number];

/** A file of a node's directory: the path below it and the content. */
export interface NodeFile {
  readonly path: string;
  readonly content: string;
  readonly executable: boolean;
}

const containerdSocket = "/run/containerd/containerd.sock";

/** Quotes a word for the shell. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** A script that waits, at most some seconds, for what its program needs, and then becomes the program. */
function unit(program: NodeProgram, args: readonly string[], ready?: string): NodeFile {
  const waiting =
    ready === undefined ? [] : [`for ((try = 0; try < 100; try++)); do ${ready} && break; sleep 0.1; done`];
  const command = [program, ...args.map(quoted)].join(" \\\n  ");
  const content = ["#!/usr/bin/env bash", "set -euo pipefail", ...waiting, `exec ${command}`, ""].join("\n");
  return { path: join("units", program), content, executable: true };
}

/** Bounded: a connection whose first packet is lost would be tried again by the kernel after 1, 3, 7, … 63 s, and block that long. */
function listening(address: string, port: number): string {
  return `timeout 1 bash -c ': </dev/tcp/${address}/${port}' 2>/dev/null`;
}

/** The units and configuration files of one node. Flags and their reasons: embedded Kubernetes was tried out flag by flag. */
export function nodeFiles(plan: ClusterPlan, node: NodePlan, runc: string, cniPlugins: string): NodeFile[] {
  const { pki } = clusterFiles(plan.name);
  const inPki = (file: string) => join(pki, file);
  const inNode = (file: string) => join(node.directory, "configuration", file);
  const apiServer = nodePlan(plan, 1).address;
  const apiServerListens = listening(apiServer, apiServerPort);
  const configuration = (name: string, content: unknown): NodeFile => ({
    path: join("configuration", name),
    content: typeof content === "string" ? content : `${JSON.stringify(content, undefined, 2)}\n`,
    executable: false,
  });

  const containerdConfiguration = `version = 3
root = "/var/lib/containerd"
state = "/run/containerd"

[grpc]
address = "${containerdSocket}"

[plugins."io.containerd.internal.v1.opt"]
path = "/var/lib/containerd/opt"

[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "${pauseImage}"

[plugins."io.containerd.cri.v1.runtime"]
# A machine without CAP_SYS_RESOURCE cannot lower a score below its own.
restrict_oom_score_adj = true

[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["${cniPlugins}"]
conf_dir = "${inNode("cni")}"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
BinaryName = "${runc}"
SystemdCgroup = false
`;

  const network = {
    cniVersion: "1.0.0",
    name: "naytife",
    plugins: [
      {
        // Each pod at the end of a cable of its own, everything routed: no bridge, and so no need for br_netfilter or hairpins.
        type: "ptp",
        ipam: {
          type: "host-local",
          ranges: [[{ subnet: node.podCidr }]],
          routes: [{ dst: "0.0.0.0/0" }],
          // Gone with the node's /run, as the pods' networks are.
          dataDir: "/run/cni/networks",
        },
      },
      { type: "portmap", capabilities: { portMappings: true } },
    ],
  };

  const kubelet = {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    address: node.address,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: inPki("ca.crt") },
    },
    authorization: { mode: "Webhook" },
    tlsCertFile: inPki(`kubelet-${node.index}.crt`),
    tlsPrivateKeyFile: inPki(`kubelet-${node.index}.key`),
    containerRuntimeEndpoint: `unix://${containerdSocket}`,
    cgroupDriver: "cgroupfs",
    cgroupRoot: node.cgroup,
    failCgroupV1: false,
    failSwapOn: false,
    oomScoreAdj: 0,
    enforceNodeAllocatable: [],
    clusterDNS: [dnsServiceAddress],
    clusterDomain,
    // Pods have no way out of the cluster: the machine's name servers would not answer them.
    resolvConf: inNode("resolv.conf"),
    evictionHard: {
      "memory.available": "100Mi",
      "nodefs.available": "1%",
      "nodefs.inodesFree": "1%",
      "imagefs.available": "1%",
    },
    volumePluginDir: "/var/lib/kubelet/volumeplugins",
    // Assembled images cannot be pulled again: none is ever collected.
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
  };

  const kubeProxy = {
    apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
    kind: "KubeProxyConfiguration",
    mode: "iptables",
    clusterCIDR: podCidr,
    clientConnection: { kubeconfig: inPki("kube-proxy.kubeconfig") },
    // 0 leaves the machine's own settings as they are: these are not the node's alone.
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: "0s", tcpCloseWaitTimeout: "0s" },
  };

  const everyNode: NodeFile[] = [
    configuration("containerd.toml", containerdConfiguration),
    configuration("cni/10-naytife.conflist", network),
    configuration("kubelet.json", kubelet),
    configuration("kube-proxy.json", kubeProxy),
    configuration("resolv.conf", ""),
    unit("containerd", ["--config", inNode("containerd.toml")]),
    unit(
      "kubelet",
      [
        `--config=${inNode("kubelet.json")}`,
        `--kubeconfig=${inPki(`kubelet-${node.index}.kubeconfig`)}`,
        `--hostname-override=${node.name}`,
        `--node-ip=${node.address}`,
      ],
      `[[ -S ${containerdSocket} ]] && ${apiServerListens}`,
    ),
    unit("kube-proxy", [`--config=${inNode("kube-proxy.json")}`, `--hostname-override=${node.name}`], apiServerListens),
  ];
  if (node.index !== 1) return everyNode;

  const etcdClient = "http://127.0.0.1:2379";
  const etcdPeer = "http://127.0.0.1:2380";
  return [
    ...everyNode,
    unit("etcd", [
      `--name=${node.name}`,
      `--data-dir=${join(node.directory, "etcd")}`,
      `--listen-client-urls=${etcdClient}`,
      `--advertise-client-urls=${etcdClient}`,
      `--listen-peer-urls=${etcdPeer}`,
      `--initial-advertise-peer-urls=${etcdPeer}`,
      `--initial-cluster=${node.name}=${etcdPeer}`,
      // A throw-away cluster outlives its processes, not the machine's power.
      "--unsafe-no-fsync",
      "--log-level=warn",
    ]),
    unit(
      "kube-apiserver",
      [
        `--etcd-servers=${etcdClient}`,
        `--bind-address=${node.address}`,
        `--advertise-address=${node.address}`,
        `--secure-port=${apiServerPort}`,
        `--service-cluster-ip-range=${serviceCidr}`,
        `--tls-cert-file=${inPki("apiserver.crt")}`,
        `--tls-private-key-file=${inPki("apiserver.key")}`,
        `--client-ca-file=${inPki("ca.crt")}`,
        `--kubelet-certificate-authority=${inPki("ca.crt")}`,
        `--kubelet-client-certificate=${inPki("apiserver-kubelet.crt")}`,
        `--kubelet-client-key=${inPki("apiserver-kubelet.key")}`,
        // Node names resolve nowhere.
        "--kubelet-preferred-address-types=InternalIP",
        `--service-account-issuer=https://kubernetes.default.svc.${clusterDomain}`,
        `--service-account-key-file=${inPki("service-accounts.pub")}`,
        `--service-account-signing-key-file=${inPki("service-accounts.key")}`,
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
      ],
      listening("127.0.0.1", 2379),
    ),
    unit(
      "kube-controller-manager",
      [
        `--kubeconfig=${inPki("controller-manager.kubeconfig")}`,
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--use-service-account-credentials=true",
        `--root-ca-file=${inPki("ca.crt")}`,
        `--service-account-private-key-file=${inPki("service-accounts.key")}`,
        `--cluster-signing-cert-file=${inPki("ca.crt")}`,
        `--cluster-signing-key-file=${inPki("ca.key")}`,
      ],
      apiServerListens,
    ),
    unit(
      "kube-scheduler",
      [`--kubeconfig=${inPki("scheduler.kubeconfig")}`, "--bind-address=127.0.0.1", "--leader-elect=false"],
      apiServerListens,
    ),
  ];
}
