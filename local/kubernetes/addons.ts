import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseAllDocuments, stringify } from "yaml";
import { moduleDirectory } from "../toolchain/toolchain";
import { coreDnsImage } from "./images/recipes";
import { clusterDomain, dnsServiceAddress } from "./plan";

/** Where local-path volumes lie in each node; the directory is the node's own. */
const volumes = "/var/lib/local-path-provisioner";

/** A cluster without a way out: names outside it do not exist, and say so at once, in a block of their own as `template` would win over `kubernetes`. */
const corefile = `${clusterDomain}:53 in-addr.arpa:53 ip6.arpa:53 {
    errors
    health
    ready
    kubernetes ${clusterDomain} in-addr.arpa ip6.arpa {
        pods insecure
        ttl 30
    }
    cache 30
    loadbalance
}
.:53 {
    errors
    template ANY ANY . {
        rcode NXDOMAIN
    }
}
`;

/** CoreDNS as Kubernetes expects it: the Service `kube-dns` at the address that every pod is given. */
export function coreDns(): object[] {
  const metadata = { name: "coredns", namespace: "kube-system" };
  const labels = { "k8s-app": "kube-dns" };
  const list = ["list", "watch"];
  return [
    { apiVersion: "v1", kind: "ServiceAccount", metadata },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRole",
      metadata: { name: "system:coredns" },
      rules: [
        { apiGroups: [""], resources: ["endpoints", "services", "pods", "namespaces"], verbs: list },
        { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: list },
      ],
    },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: { name: "system:coredns" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "system:coredns" },
      subjects: [{ kind: "ServiceAccount", ...metadata }],
    },
    { apiVersion: "v1", kind: "ConfigMap", metadata, data: { Corefile: corefile } },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "kube-dns", namespace: "kube-system", labels },
      spec: {
        clusterIP: dnsServiceAddress,
        selector: labels,
        ports: [
          { name: "dns", port: 53, protocol: "UDP" },
          { name: "dns-tcp", port: 53, protocol: "TCP" },
        ],
      },
    },
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { ...metadata, labels },
      spec: {
        replicas: 1,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            serviceAccountName: "coredns",
            priorityClassName: "system-cluster-critical",
            // It answers for names in the cluster, so it cannot depend on them.
            dnsPolicy: "Default",
            tolerations: [{ operator: "Exists" }],
            containers: [
              {
                name: "coredns",
                image: coreDnsImage,
                imagePullPolicy: "IfNotPresent",
                args: ["-conf", "/etc/coredns/Corefile"],
                ports: [
                  { name: "dns", containerPort: 53, protocol: "UDP" },
                  { name: "dns-tcp", containerPort: 53, protocol: "TCP" },
                ],
                readinessProbe: { httpGet: { path: "/ready", port: 8181 }, periodSeconds: 1 },
                livenessProbe: {
                  httpGet: { path: "/health", port: 8080 },
                  initialDelaySeconds: 30,
                  failureThreshold: 5,
                },
                resources: { requests: { cpu: "50m", memory: "32Mi" }, limits: { memory: "170Mi" } },
                volumeMounts: [{ name: "configuration", mountPath: "/etc/coredns", readOnly: true }],
              },
            ],
            volumes: [{ name: "configuration", configMap: { name: "coredns" } }],
          },
        },
      },
    },
  ];
}

interface Manifest {
  kind: string;
  metadata: { name: string };
  data?: Record<string, string>;
}

/**
 * local-path-provisioner's own manifest without its StorageClass, which the Pulumi program declares, and with volumes in the
 * node's own directory. @throws where the manifest is not what it was.
 */
export function localPath(manifest: string): object[] {
  const objects = parseAllDocuments(manifest).map((document) => document.toJS() as Manifest | null);
  const kept = objects.filter((object): object is Manifest => object !== null && object.kind !== "StorageClass");
  const configuration = kept.find(({ kind }) => kind === "ConfigMap")?.data;
  if (configuration?.["config.json"] === undefined) {
    throw new Error(
      "local-path-provisioner's manifest has no config.json in a ConfigMap: its version does not fit this program.",
    );
  }
  const paths = [{ node: "DEFAULT_PATH_FOR_NON_LISTED_NODES", paths: [volumes] }];
  configuration["config.json"] = JSON.stringify({ nodePathMap: paths });
  return kept;
}

/** What the cluster has before anyone uses it, as one text for `kubectl apply`. */
export async function addons(): Promise<string> {
  const directory = await moduleDirectory("local-path-provisioner");
  const manifest = await readFile(join(directory, "deploy", "local-path-storage.yaml"), "utf8");
  return [...coreDns(), ...localPath(manifest)].map((object) => stringify(object)).join("---\n");
}
