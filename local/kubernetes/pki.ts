import { existsSync } from "node:fs";
import { chmod, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../run";
import {
  apiServerUrl,
  apiServiceAddress,
  clusterDomain,
  clusterFiles,
  contextName,
  nodePlan,
  nodePlans,
  type ClusterPlan,
} from "./plan";

/** Certificates live as long as a throw-away cluster could: ten years. */
const days = "3650";

interface Identity {
  /** File name without extension. */
  readonly name: string;
  readonly commonName: string;
  readonly organization?: string;
  readonly alternativeNames?: readonly string[];
}

/** Who holds a certificate of the cluster's authority. Names and groups are those that Kubernetes' authorizers know. */
export function identities(plan: ClusterPlan): Identity[] {
  const service = "kubernetes.default.svc";
  const nodes = nodePlans(plan).map((node) => ({
    name: `kubelet-${node.index}`,
    commonName: `system:node:${node.name}`,
    organization: "system:nodes",
    alternativeNames: [`IP:${node.address}`, `DNS:${node.name}`],
  }));
  const apiServerNames = [
    "DNS:kubernetes",
    "DNS:kubernetes.default",
    `DNS:${service}`,
    `DNS:${service}.${clusterDomain}`,
    "DNS:localhost",
  ];
  return [
    {
      name: "apiserver",
      commonName: "kube-apiserver",
      alternativeNames: [
        ...apiServerNames,
        "IP:127.0.0.1",
        `IP:${apiServiceAddress}`,
        `IP:${nodePlan(plan, 1).address}`,
      ],
    },
    { name: "apiserver-kubelet", commonName: "kube-apiserver-kubelet-client", organization: "system:masters" },
    { name: "admin", commonName: "naytife-admin", organization: "system:masters" },
    { name: "controller-manager", commonName: "system:kube-controller-manager" },
    { name: "scheduler", commonName: "system:kube-scheduler" },
    { name: "kube-proxy", commonName: "system:kube-proxy" },
    ...nodes,
  ];
}

const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

async function issue(directory: string, identity: Identity): Promise<void> {
  const certificate = join(directory, `${identity.name}.crt`);
  if (existsSync(certificate)) return;
  const subject = `${identity.organization === undefined ? "" : `/O=${identity.organization}`}/CN=${identity.commonName}`;
  const extensions = [
    "basicConstraints=critical,CA:FALSE",
    "keyUsage=critical,digitalSignature",
    "extendedKeyUsage=serverAuth,clientAuth",
    ...(identity.alternativeNames === undefined ? [] : [`subjectAltName=${identity.alternativeNames.join(",")}`]),
  ].flatMap((extension) => ["-addext", extension]);
  const authority = ["-CA", join(directory, "ca.crt"), "-CAkey", join(directory, "ca.key")];
  const key = join(directory, `${identity.name}.key`);
  // The certificate is renamed into place last: where it is, its key is, and both are whole.
  const unfinished = `${certificate}.unfinished`;
  await run("openssl", [
    "req",
    "-x509",
    ...authority,
    ...newKey,
    "-days",
    days,
    "-subj",
    subject,
    ...extensions,
    "-keyout",
    key,
    "-out",
    unfinished,
  ]);
  await rename(unfinished, certificate);
}

async function issueAuthority(directory: string): Promise<void> {
  const certificate = join(directory, "ca.crt");
  if (existsSync(certificate)) return;
  const extensions = ["-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature"];
  const unfinished = `${certificate}.unfinished`;
  const key = join(directory, "ca.key");
  await run("openssl", [
    "req",
    "-x509",
    ...newKey,
    "-days",
    days,
    "-subj",
    "/CN=naytife-embedded",
    ...extensions,
    "-keyout",
    key,
    "-out",
    unfinished,
  ]);
  await rename(unfinished, certificate);
}

async function issueServiceAccountKey(directory: string): Promise<void> {
  const publicKey = join(directory, "service-accounts.pub");
  if (existsSync(publicKey)) return;
  const key = join(directory, "service-accounts.key");
  await run("openssl", ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key]);
  const unfinished = `${publicKey}.unfinished`;
  await run("openssl", ["pkey", "-in", key, "-pubout", "-out", unfinished]);
  await rename(unfinished, publicKey);
}

/** A kubeconfig with everything in it; JSON is YAML, and is what we can write without a library. */
async function kubeconfig(plan: ClusterPlan, identity: string): Promise<string> {
  const { pki } = clusterFiles(plan.name);
  const encoded = async (file: string) => (await readFile(join(pki, file))).toString("base64");
  const name = contextName(plan.name);
  const content = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      { name, cluster: { server: apiServerUrl(plan), "certificate-authority-data": await encoded("ca.crt") } },
    ],
    users: [
      {
        name,
        user: {
          "client-certificate-data": await encoded(`${identity}.crt`),
          "client-key-data": await encoded(`${identity}.key`),
        },
      },
    ],
    contexts: [{ name, context: { cluster: name, user: name } }],
    "current-context": name,
  };
  return `${JSON.stringify(content, undefined, 2)}\n`;
}

async function writePrivate(path: string, content: string): Promise<void> {
  const unfinished = `${path}.unfinished`;
  await rm(unfinished, { force: true });
  await writeFile(unfinished, content, { mode: 0o600 });
  await chmod(unfinished, 0o600);
  await rename(unfinished, path);
}

/**
 * Makes the cluster's authority, every certificate, the service accounts' key and the kubeconfigs (mode 0600);
 * what is there stays.
 */
export async function issueAll(plan: ClusterPlan): Promise<void> {
  const files = clusterFiles(plan.name);
  await mkdir(files.pki, { recursive: true, mode: 0o700 });
  await issueAuthority(files.pki);
  await issueServiceAccountKey(files.pki);
  await Promise.all(identities(plan).map((identity) => issue(files.pki, identity)));
  for (const { name } of identities(plan)) {
    if (!name.startsWith("apiserver") && name !== "admin") {
      await writePrivate(join(files.pki, `${name}.kubeconfig`), await kubeconfig(plan, name));
    }
  }
  await writePrivate(files.kubeconfig, await kubeconfig(plan, "admin"));
}
