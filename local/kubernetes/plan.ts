import { createHash } from "node:crypto";
import { join } from "node:path";

/** Where the state of all embedded clusters lies: outside the checkout, kept until `down`. Only root reads it. */
export const stateRoot = "/var/lib/naytife-postgres";

/** Inside a cluster, the same in each: no packet with these addresses ever reaches the machine's own network. */
export const serviceCidr = "10.96.0.0/16";
export const apiServiceAddress = "10.96.0.1";
export const dnsServiceAddress = "10.96.0.10";
export const podCidr = "10.244.0.0/16";
export const clusterDomain = "cluster.local";
export const apiServerPort = 6443;

/** What is decided once about a cluster and recorded in its `cluster.json`; everything else follows from it. */
export interface ClusterPlan {
  readonly name: string;
  readonly nodes: number;
  /** The /24 that joins the machine and the nodes, such as `10.213.0`. */
  readonly subnet: string;
}

export interface NodePlan {
  /** From 1; the first is the control plane as well. */
  readonly index: number;
  readonly name: string;
  readonly address: string;
  readonly podCidr: string;
  /** State of the node: container images, volumes, etcd, logs. */
  readonly directory: string;
  /** The node's own part of each cgroup hierarchy: two kubelets with one root kill each other's pods. */
  readonly cgroup: string;
}

const clusterName = /^[a-z](?:[a-z0-9-]{0,28}[a-z0-9])?$/;
const mostNodes = 9;

/** @throws with what is wrong, before anything is made. */
export function checkRequest(name: string, nodes: number, subnet?: string): void {
  if (!clusterName.test(name)) {
    throw new Error(
      `"${name}" cannot name a cluster: 1 to 30 lower-case letters, digits and hyphens, a letter first and no hyphen last. Nothing was changed.`,
    );
  }
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > mostNodes) {
    throw new Error(`A cluster has 1 to ${mostNodes} nodes, not ${nodes}. Nothing was changed.`);
  }
  const parts = subnet?.split(".").map(Number);
  if (
    parts !== undefined &&
    (parts.length !== 3 || parts.some((part) => !Number.isInteger(part) || part < 0 || part > 255))
  ) {
    throw new Error(
      `"${subnet ?? ""}" is no subnet: give the first three numbers of a /24, such as 10.213.7. Nothing was changed.`,
    );
  }
}

export function clusterDirectory(name: string): string {
  return join(stateRoot, "clusters", name);
}

export function clusterFiles(name: string) {
  const directory = clusterDirectory(name);
  return {
    directory,
    plan: join(directory, "cluster.json"),
    /** Written last by `up`: what it returned. */
    result: join(directory, "result.json"),
    kubeconfig: join(directory, "kubeconfig"),
    pki: join(directory, "pki"),
  };
}

/** The machine's own end of the cable into a cluster; 15 characters are the kernel's limit. */
export function hostLink(name: string): string {
  return `npg-${createHash("sha256").update(name).digest("hex").slice(0, 8)}`;
}

export function hostAddress(plan: ClusterPlan): string {
  return `${plan.subnet}.1`;
}

/** The bridge in the first node's network namespace that joins the machine and the nodes. */
export const nodeBridge = "nodes";

/** The bridge's own hardware address. One is enough for every cluster: it is seen in that namespace alone, and by what is cabled to it. */
export const bridgeHardwareAddress = "02:00:00:00:00:01";

/** The interface that carries a node's address. */
export function primaryLink(index: number): string {
  return index === 1 ? nodeBridge : "eth0";
}

export function nodePlan(plan: ClusterPlan, index: number): NodePlan {
  return {
    index,
    name: `${plan.name}-${index}`,
    address: `${plan.subnet}.${10 + index}`,
    podCidr: `10.244.${index}.0/24`,
    directory: join(clusterDirectory(plan.name), "nodes", String(index)),
    cgroup: `/naytife-postgres/${plan.name}/${index}`,
  };
}

export function nodePlans(plan: ClusterPlan): NodePlan[] {
  return Array.from({ length: plan.nodes }, (_, index) => nodePlan(plan, index + 1));
}

export function apiServerUrl(plan: ClusterPlan): string {
  return `https://${nodePlan(plan, 1).address}:${apiServerPort}`;
}

/** The kubeconfig's context: tells embedded clusters from a person's others. */
export function contextName(name: string): string {
  return `naytife-${name}`;
}
