/**
 * The settings that are committed for staging and production, against the real operator, webhooks, scheduler and three nodes:
 * what they promise (no acknowledged write lost, no password in clear) is tried out, not read. Each test goes on where the
 * one before it ended.
 */
import type { Stack } from "@pulumi/pulumi/automation";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { ClusterSpec } from "../../components/cluster";
import naytifePostgres from "../../index";
import { openStack } from "../../local/engine/stack";
import { down, inits, killNode, readPlan, startNode, up, type EmbeddedCluster } from "../../local/kubernetes/cluster";
import { run } from "../../local/run";
import { localStackConfig } from "../../local/stack-config";
import { stackConfiguration } from "../../local/stack-files";
import { tool } from "../../local/toolchain/toolchain";
import { record } from "../recording";
import { withCheckpointsAtOnce } from "../../local/checkpoints";
import { clusterName } from "./cluster";
import { kubectl, psqlInPod, until } from "./kubectl";

const name = clusterName("production");
const namespace = "naytife-production";
const nodes = [1, 2, 3];
const minutes = 60_000;
const clusterResource = "cluster.postgresql.cnpg.io/naytife-postgres";
const instancesLabel = "cnpg.io/cluster=naytife-postgres,cnpg.io/podRole=instance";
const poolerLabel = "cnpg.io/poolerName=naytife-postgres-pooler";

let cluster: EmbeddedCluster;
let scratch: string;
let stack: Stack;

const inNamespace = (...args: string[]) => kubectl(cluster, ["-n", namespace, ...args]);
const field = async (path: string, ...args: string[]) =>
  (await inNamespace("get", ...args, "-o", `jsonpath=${path}`)).trim();
const list = async (path: string, ...args: string[]) =>
  (await field(`{range .items[*]}${path}{"\\n"}{end}`, ...args)).split("\n").filter((line) => line !== "");
const primary = () => field("{.status.currentPrimary}", clusterResource);
const asSuperuser = async (sql: string, database = "naytifedb") =>
  psqlInPod(cluster, { namespace, name: await primary(), user: "postgres" }, database, sql);
/** Bash in the client pod, which has DATABASE_URL and DATABASE_URL_DIRECT, and the cluster's CA below /ca. */
const inClient = async (script: string) =>
  (await kubectl(cluster, ["-n", namespace, "exec", "-i", "client", "--", "bash", "-s"], script)).trim();
/** SQL from the client pod, with the URL changed by bash first. */
const query = (url: string, sql: string) => inClient(`PGCONNECT_TIMEOUT=10 psql -XAtq "${url}" -c "${sql}"`);

/** Which node (1, 2, 3) each pod with a label runs on. */
async function nodesOf(label: string, of = namespace): Promise<Map<string, number>> {
  const path = '{range .items[*]}{.metadata.name}{" "}{.spec.nodeName}{"\\n"}{end}';
  const pods = await kubectl(cluster, ["-n", of, "get", "pod", "-l", label, "-o", `jsonpath=${path}`]);
  const lines = pods.trim().split("\n");
  return new Map(
    lines.map((line) => {
      const [pod = "", node = ""] = line.split(" ");
      return [pod, Number(node.split("-").at(-1))] as const;
    }),
  );
}

/** Waits for all three instances, streaming, under this primary if it is given. */
function untilHealthy(seconds: number, expectedPrimary?: string): Promise<true> {
  return until("three ready instances", seconds, async () => {
    const path = "{.status.phase}|{.status.readyInstances}|{.status.currentPrimary}|{.status.targetPrimary}";
    const [phase, ready, current, target] = (await field(path, clusterResource)).split("|");
    const settled = phase === "Cluster in healthy state" && ready === "3" && current === target;
    return settled && (expectedPrimary === undefined || current === expectedPrimary) ? true : undefined;
  });
}

/**
 * Gives an image the name by which containerd knows it by its digest, on every node, and returns its name with tag and
 * digest. Production takes no other images; those of an embedded cluster come from no registry that would have named them so.
 */
async function byDigest(image: string): Promise<string> {
  const ctr = await tool("ctr");
  const digests = new Set<string>();
  for (const init of (await inits((await readPlan(name))!)).values()) {
    const inNode = [
      "--address",
      `/proc/${init}/root/run/containerd/containerd.sock`,
      "--namespace",
      "k8s.io",
      "images",
    ];
    const listed = await run(ctr, [...inNode, "list", `name==${image}`]);
    const digest = /sha256:[0-9a-f]{64}/.exec(listed)![0];
    await run(ctr, [...inNode, "tag", "--force", image, `${image.replace(/:[^:/]*$/, "")}@${digest}`]);
    digests.add(digest);
  }
  expect(digests.size).toBe(1);
  return `${image}@${[...digests][0]!}`;
}

jest.setTimeout(10 * minutes);

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), "naytife-production-"));
  await down({ name }); // What an interrupted run left.
  cluster = await up({ name, nodes: nodes.length });
  // A real cluster has more than one name server. This one shall not be on the node that is killed.
  const onFirst = JSON.stringify({ spec: { template: { spec: { nodeName: `${name}-1` } } } });
  await kubectl(cluster, ["-n", "kube-system", "patch", "deployment/coredns", "-p", onFirst]);
  await kubectl(cluster, ["-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=300s"]);
});

afterAll(async () => {
  rmSync(scratch, { recursive: true, force: true });
  await down({ name });
});

const log: string[] = [];
const quietly = { onOutput: (text: string) => log.push(text), color: "never" } as const;

test(
  "production comes up, with the settings that are committed",
  async () => {
    const embedded = await localStackConfig(cluster);
    stack = await openStack({
      stack: "production",
      onEmbeddedCluster: true,
      stateDirectory: scratch,
      backend: pathToFileURL(join(scratch, "backend")).href,
      config: {
        // Where the cluster is, and its operator: charts and registries cannot be had here.
        ...embedded,
        // The environment stays production, so its rules hold, the one for digests too.
        postgresImage: await byDigest(embedded.postgresImage!),
        poolerImage: await byDigest(embedded.poolerImage!),
        backupPluginImage: await byDigest(embedded.backupPluginImage!),
        backupSidecarImage: await byDigest(embedded.backupSidecarImage!),
        // Oracle's volumes are in Oracle's cloud alone, and so is its object store.
        storageClass: "cnpg-local-storage",
        backupStore: "none",
        // There is no legacy database here; story.test.ts has one.
        migrationEnabled: "false",
      },
    });
    await withCheckpointsAtOnce(
      (sql) => asSuperuser(sql, "postgres"),
      () => stack.up(quietly),
    );
  },
  15 * minutes,
);

test("three instances are ready, each on a node of its own", async () => {
  await untilHealthy(60);
  expect([...(await nodesOf(instancesLabel)).values()].sort()).toEqual(nodes);
  expect(await field("{.spec.affinity.podAntiAffinityType}", clusterResource)).toBe("required");
  const limits = '{.spec.containers[?(@.name=="postgres")].resources.limits.memory}';
  expect(await list(limits, "pod", "-l", instancesLabel)).toEqual(["2Gi", "2Gi", "2Gi"]);
});

/** One of the two standbys confirms each commit, whichever comes first, and without one there is none. */
async function expectSynchronous(): Promise<void> {
  const states = "SELECT string_agg(state || ' ' || sync_state, ',') FROM pg_stat_replication";
  await until("two streaming standbys", 180, async () =>
    (await asSuperuser(states)) === "streaming quorum,streaming quorum" ? true : undefined,
  );
  // The primary is in the list too: the operator lets it be the same on whichever instance.
  const instances = (await list("{.metadata.name}", "pod", "-l", instancesLabel)).sort();
  const setting = await asSuperuser("SHOW synchronous_standby_names");
  expect(setting).toMatch(/^ANY 1 \(/);
  expect([...setting.matchAll(/"([^"]+)"/g)].map(([, instance]) => instance).sort()).toEqual(instances);
  expect(await asSuperuser("SHOW synchronous_commit")).toBe("on");
}

test("replication is synchronous, and the operator keeps the quorum that a failover asks for", async () => {
  await expectSynchronous();
  const quorum = JSON.parse(
    await field("{.status}", "failoverquorum.postgresql.cnpg.io", "naytife-postgres"),
  ) as object;
  expect(quorum).toMatchObject({ method: "ANY", standbyNumber: 1, primary: await primary() });
});

test("a drain may take one standby and one pooler, never the primary first", async () => {
  const path = "{.metadata.name} {.status.currentHealthy} {.status.disruptionsAllowed}";
  const budgets = await until("healthy pods in the budgets", 180, async () => {
    const lines = (await list(path.replaceAll(" ", '{" "}'), "pdb")).sort();
    return lines.some((line) => line.includes(" 0 ") && !line.startsWith("naytife-postgres-primary"))
      ? undefined
      : lines;
  });
  expect(budgets).toEqual(["naytife-postgres 2 1", "naytife-postgres-pooler 2 1", "naytife-postgres-primary 1 0"]);
});

test("two poolers run, on two nodes", async () => {
  expect(await field("{.status.readyReplicas}", "deployment", "naytife-postgres-pooler")).toBe("2");
  expect(new Set((await nodesOf(poolerLabel)).values()).size).toBe(2);
});

test("a client on the first node connects with what the Secret says", async () => {
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "client", namespace },
    spec: {
      nodeName: `${name}-1`,
      terminationGracePeriodSeconds: 0,
      containers: [
        {
          name: "client",
          image: cluster.postgresImage,
          imagePullPolicy: "IfNotPresent",
          command: ["sleep", "infinity"],
          envFrom: [{ secretRef: { name: "naytife-postgres-connection" } }],
          volumeMounts: [{ name: "ca", mountPath: "/ca", readOnly: true }],
        },
      ],
      volumes: [
        { name: "ca", secret: { secretName: "naytife-postgres-ca", items: [{ key: "ca.crt", path: "ca.crt" }] } },
      ],
    },
  };
  await kubectl(cluster, ["apply", "-f", "-"], JSON.stringify(pod));
  await inNamespace("wait", "--for=condition=Ready", "pod/client", "--timeout=300s");
  expect(await query("$DATABASE_URL", "SELECT current_user")).toBe("naytife");
  expect(await query("$DATABASE_URL_DIRECT", "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")).toBe("t");
});

test("neither the pooler nor the primary takes a password without TLS", async () => {
  const inClear = "/sslmode=require/sslmode=disable";
  await expect(query(`\${DATABASE_URL${inClear}}`, "SELECT 1")).rejects.toThrow(/SSL required/);
  await expect(query(`\${DATABASE_URL_DIRECT${inClear}}`, "SELECT 1")).rejects.toThrow(
    /pg_hba\.conf rejects connection .* no encryption/,
  );
});

test("both are verified in full by the CA and the names in the Secret, and by no other name", async () => {
  for (const url of ["DATABASE_URL", "DATABASE_URL_DIRECT"]) {
    const verified = `\${${url}/sslmode=require/sslmode=verify-full}&sslrootcert=/ca/ca.crt`;
    expect(await query(verified, "SELECT 1")).toBe("1");
  }
  const address = await field("{.spec.clusterIP}", "service", "naytife-postgres-pooler");
  const byAddress = `psql -XAtq "host=${address} dbname=$database user=$username sslmode=verify-full sslrootcert=/ca/ca.crt" -c "SELECT 1"`;
  await expect(inClient(`PGPASSWORD=$password ${byAddress}`)).rejects.toThrow(
    /server certificate .* does not match host name/,
  );
});

test("a fresh database has the application's schemas, its own, and its search_path", async () => {
  const owners =
    "SELECT nspname || ' ' || nspowner::regrole FROM pg_namespace WHERE nspname IN ('hydra', 'naytife_schema') ORDER BY 1";
  expect((await asSuperuser(owners)).split("\n")).toEqual(["hydra naytife", "naytife_schema naytife"]);
  for (const url of ["$DATABASE_URL", "$DATABASE_URL_DIRECT"])
    expect(await query(url, "SHOW search_path")).toBe("naytife_schema, public");
});

describe("while a client writes through the pooler", () => {
  /** Node with neither the API server nor the operator: what is tried here is the database's failover, not theirs. */
  let victim: number;

  /** A table, and a loop that inserts the numbers from 1 on, each once, and notes when which was acknowledged. */
  const writer = `
    set -euo pipefail
    psql -XAtq "$DATABASE_URL" -c "CREATE TABLE written (id integer PRIMARY KEY)"
    cat >/tmp/writer.sh <<'LOOP'
      for ((id = 1; ; id++)); do
        [[ -e /tmp/stop ]] && exit
        PGCONNECT_TIMEOUT=2 timeout 5 psql -XAtq "$DATABASE_URL" -c "INSERT INTO written VALUES ($id)" 2>/dev/null &&
          echo "$(date +%s%3N) $id" >>/tmp/acknowledged
        sleep 0.1
      done
LOOP
    nohup bash /tmp/writer.sh >/dev/null 2>&1 &`;

  const acknowledged = async () =>
    (await inClient("cat /tmp/acknowledged")).split("\n").map((line) => {
      const [time, id] = line.split(" ").map(Number);
      return { time: time!, id: id! };
    });

  /** Waits for ten writes more, and prints the longest time without one, from the last before the event on. */
  async function longestGap(what: string, began: number): Promise<void> {
    const now = Date.now();
    const writes = await until("ten more acknowledged writes", 180, async () => {
      const all = await acknowledged();
      return all.filter(({ time }) => time > now).length >= 10 ? all : undefined;
    });
    const times = writes.map(({ time }) => time);
    const gaps = times.slice(1).map((time, index) => (time < began ? 0 : time - times[index]!));
    process.stderr.write(`${what}: ${(Math.max(...gaps) / 1000).toFixed(1)} s without an acknowledged write\n`);
    expect(Math.max(...gaps)).toBeLessThan(180_000);
  }

  /** What `kubectl cnpg promote` does. */
  async function switchOver(target: string): Promise<void> {
    const status = {
      targetPrimary: target,
      targetPrimaryTimestamp: new Date().toISOString(),
      phase: "Switchover in progress",
      phaseReason: `Switching over to ${target}`,
    };
    const patch = ["--subresource=status", "--type=merge", "-p", JSON.stringify({ status })];
    await inNamespace("patch", clusterResource, ...patch);
    await untilHealthy(240, target);
  }

  const instanceOn = async (node: number) => [...(await nodesOf(instancesLabel))].find(([, on]) => on === node)![0];

  beforeAll(async () => {
    await inClient(writer);
    await until("a first acknowledged write", 180, () => inClient("cat /tmp/acknowledged").catch(() => undefined));
    const operator = [...(await nodesOf("app.kubernetes.io/name=cloudnative-pg", "cnpg-system")).values()];
    victim = nodes.find((node) => node !== 1 && !operator.includes(node))!;
    const target = await instanceOn(victim);
    if (target !== (await primary())) await switchOver(target);
  });

  test("the primary's node dies: a standby is promoted, and the client writes again", async () => {
    const lost = await primary();
    expect((await nodesOf(instancesLabel)).get(lost)).toBe(victim);
    const began = Date.now();
    await killNode({ name, node: victim });
    const promoted = await until("another primary", 180, async () => {
      const current = await primary();
      return current === lost ? undefined : current;
    });
    process.stderr.write(`node lost: ${promoted} is primary after ${((Date.now() - began) / 1000).toFixed(1)} s\n`);
    await longestGap("node lost", began);
  });

  test("the node comes back: three instances are ready again, and synchronous", async () => {
    await startNode({ name, node: victim });
    await untilHealthy(240);
    await expectSynchronous();
    expect([...(await nodesOf(instancesLabel)).values()].sort()).toEqual(nodes);
  });

  test("a switchover hands the primary's place back to the node that was lost", async () => {
    const began = Date.now();
    await switchOver(await instanceOn(victim));
    await longestGap("switchover", began);
  });

  test("no acknowledged write was lost, on any instance", async () => {
    await inClient("touch /tmp/stop; sleep 6");
    const ids = (await acknowledged()).map(({ id }) => id);
    expect(ids.length).toBeGreaterThan(50);
    for (const instance of (await nodesOf(instancesLabel)).keys()) {
      const missing = await until(`what ${instance} has`, 180, async () => {
        const pod = { namespace, name: instance, user: "postgres" };
        const kept = new Set(
          (await psqlInPod(cluster, pod, "naytifedb", "SELECT id FROM naytife_schema.written")).split("\n").map(Number),
        );
        // A standby may still be replaying: not there yet is not lost, never there is.
        const absent = ids.filter((id) => !kept.has(id));
        return absent.length === 0 || instance === (await primary()) ? absent : undefined;
      });
      expect(missing).toEqual([]);
    }
  });
});

test("destroy is refused, and the database goes on", async () => {
  // The Automation API's destroy does not preview first: it deletes until it comes to what is protected.
  await expect(stack.destroy(quietly)).rejects.toThrow(/protect/);
  expect(await field("{.type}", "secret", "naytife-postgres-connection")).toBe("Opaque");
  expect(await field("{.status.phase}", "pooler.postgresql.cnpg.io", "naytife-postgres-pooler")).toBe("active");
  expect(await query("$DATABASE_URL", "SELECT count(*) > 0 FROM written")).toBe("t");
});

/** What the program declares of an object. */
interface Declared {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec: ClusterSpec;
}

test.each(["staging", "production"] as const)(
  "what %s declares, to the last digest, is accepted by the API server and the operator's webhooks without a warning",
  async (of) => {
    // The manifest's address cannot be reached from here; its sum is the committed one.
    const { backupPluginManifest, kubeconfig, context: kubeContext } = cluster;
    // Whose cloud it is stands in no file: the examples there are for previews.
    const tenancy = {
      backupOciTenancy: "ocid1.tenancy.oc1..aaaa",
      backupOciCompartment: "ocid1.compartment.oc1..aaaa",
      backupOciNamespace: "naytife",
    };
    const config = stackConfiguration(of, { kubeconfig, kubeContext, backupPluginManifest, ...tenancy });
    const { registrations } = await record(naytifePostgres, { stack: of, config });
    // The second StorageClass is the restore drill's.
    const kinds = ["Cluster", "Pooler", "PodDisruptionBudget", "ScheduledBackup", "StorageClass", "StorageClass"];
    const declared = (of: (type: string) => boolean) =>
      registrations.filter(({ type }) => of(type)).map(({ inputs }) => inputs as unknown as Declared);
    const objects = declared((type) => !type.endsWith("Patch")).filter(({ kind }) => kinds.includes(kind));
    expect(objects.map(({ kind }) => kind).sort()).toEqual(kinds.sort());
    // The Cluster is declared without its size, which comes after the migration: it is looked at in full size too.
    const [size] = declared((type) => type.endsWith(":ClusterPatch"));
    const small = objects.find(({ kind }) => kind === "Cluster")!;
    const postgresql = { ...small.spec.postgresql, ...size!.spec.postgresql };
    objects.push({
      ...small,
      metadata: { ...small.metadata, name: "in-full-size" },
      spec: { ...small.spec, ...size!.spec, postgresql },
    });
    // The API server fills in its default before it validates; kubectl validates by itself, and does not.
    objects[objects.indexOf(small)] = { ...small, spec: { instances: 1, ...small.spec } };
    // In a namespace where they are new: this test's own Cluster would make it an update.
    const other = `dry-run-${of}`;
    await kubectl(cluster, ["create", "namespace", other]);
    const items = objects.map((object) =>
      object.metadata.namespace === undefined
        ? object
        : { ...object, metadata: { ...object.metadata, namespace: other } },
    );
    const strictly = ["--dry-run=server", "--validate=strict", "--warnings-as-errors"];
    const input = JSON.stringify({ apiVersion: "v1", kind: "List", items });
    const answer = await kubectl(cluster, ["apply", ...strictly, "-f", "-"], input);
    expect(answer.trim().split("\n").length).toBe(objects.length);
    const unknown = input.replaceAll('"imageName"', '"imageNam"');
    await expect(kubectl(cluster, ["apply", ...strictly, "-f", "-"], unknown)).rejects.toThrow(
      /unknown field "imageNam"/,
    );
  },
);
