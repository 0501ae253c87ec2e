/** Runs one of the scripts in ways/ as a Job in the cluster, in the target's operand image, as the migration's own Job runs. */
import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { caSecret } from "../../components/names";
import { createIfAbsent } from "../../local/legacy/cluster";
import { deleteJob, jobLog, jobState } from "../../local/legacy/legacy";
import { names as sourceNames } from "../../local/legacy/manifests";
import { found } from "../../migration/engine/kubernetes";
import { readSteps, type Steps } from "../steps";
import type { Ground } from "./ground";
import { parityOf } from "./parity";
import type { Parity } from "./results";

const name = "bench-errand";

/** How long a script may run, in seconds. */
const limit = 40 * 60;

/** What a script came to. The pod's clock is this machine's. */
export interface Errand extends Steps {
  readonly parity: Parity;
  readonly complaints: readonly string[];
}

/** The scripts, and what the migration compares by. */
async function files(): Promise<Record<string, string>> {
  const ways = join(__dirname, "ways");
  const scripts = (await readdir(ways)).filter((file) => /\.(sh|sql)$/.test(file)).map((file) => join(ways, file));
  const job = join(__dirname, "..", "..", "migration", "job");
  const paths = [...scripts, ...["row-hash.sql", "hashes.sql", "listed.sql"].map((file) => join(job, file))];
  return Object.fromEntries(
    await Promise.all(paths.map(async (path) => [basename(path), await readFile(path, "utf8")] as const)),
  );
}

/** What a script printed: `at STEP SECONDS`, `fact …`, `complaint …`. */
export function readLog(log: string): Errand {
  return {
    ...readSteps(log),
    parity: parityOf(log),
    complaints: [...log.matchAll(/^complaint (.*)$/gm)].map(([, text = ""]) => text),
  };
}

/**
 * Runs a script to its end.
 *
 * @param environment further variables
 * @param program path of a program that it finds as /program/<its name>
 * @throws Error with the last lines of its log
 */
export async function errand(
  ground: Ground,
  script: string,
  environment: Readonly<Record<string, string>> = {},
  program?: string,
): Promise<Errand> {
  const { api, namespace } = ground;
  await deleteJob(api, namespace, name);
  for (const map of [name, `${name}-program`])
    await found(api.core.deleteNamespacedConfigMap({ name: map, namespace }));
  await createIfAbsent(api, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace },
    data: await files(),
  });
  if (program !== undefined) {
    const binaryData = { [program.slice(program.lastIndexOf("/") + 1)]: (await readFile(program)).toString("base64") };
    await createIfAbsent(api, {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: `${name}-program`, namespace },
      binaryData,
    });
  }
  const password = (variable: string, secret: string, key: string) => ({
    name: variable,
    valueFrom: { secretKeyRef: { name: secret, key } },
  });
  const variables = { JOBS: String(ground.jobs), HOME: "/work", TMPDIR: "/work", ...environment };
  await createIfAbsent(api, {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name, namespace },
    spec: {
      backoffLimit: 0,
      activeDeadlineSeconds: limit,
      template: {
        spec: {
          restartPolicy: "Never",
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          securityContext: { runAsNonRoot: true, runAsUser: 26, runAsGroup: 26, fsGroup: 26 },
          containers: [
            {
              name: "errand",
              image: ground.cluster.postgresImage,
              imagePullPolicy: "IfNotPresent",
              command: ["bash", `/bench/${script}`],
              env: [
                ...Object.entries(variables).map(([variable, value]) => ({ name: variable, value })),
                password("SOURCE_PASSWORD", sourceNames.secret, "POSTGRES_PASSWORD"),
                password("TARGET_PASSWORD", `${ground.settings.target.cluster}-superuser`, "password"),
              ],
              // Four times the migration's own: pgcopydb and what lies in the page cache of a dump shall not be held back by it.
              resources: { requests: { cpu: "100m", memory: "128Mi" }, limits: { memory: "2Gi" } },
              volumeMounts: [
                { name: "scripts", mountPath: "/bench", readOnly: true },
                { name: "target-ca", mountPath: "/target-ca", readOnly: true },
                { name: "work", mountPath: "/work" },
                ...(program === undefined ? [] : [{ name: "program", mountPath: "/program", readOnly: true }]),
              ],
            },
          ],
          volumes: [
            { name: "scripts", configMap: { name } },
            {
              name: "target-ca",
              secret: {
                secretName: caSecret(ground.settings.target.cluster),
                items: [{ key: "ca.crt", path: "ca.crt" }],
              },
            },
            { name: "work", emptyDir: {} },
            ...(program === undefined
              ? []
              : [{ name: "program", configMap: { name: `${name}-program`, defaultMode: 0o555 } }]),
          ],
        },
      },
    },
  });
  let state = await jobState(api, namespace, name);
  while (state === "active") {
    await sleep(300);
    state = await jobState(api, namespace, name);
  }
  const log = await jobLog(api, namespace, name);
  const { items } = await api.core.listNamespacedPod({ namespace, labelSelector: `job-name=${name}` });
  const end = items[0]?.status?.containerStatuses?.[0]?.state?.terminated;
  await deleteJob(api, namespace, name);
  if (state !== "succeeded") {
    const told = log
      .trimEnd()
      .split("\n")
      .filter((line) => !line.startsWith("fact "));
    const how = `${end?.reason ?? "no pod"}, exit status ${end?.exitCode ?? "unknown"}`;
    throw new Error(`${script} failed (${how}): ${told.slice(-6).join(" | ")}`);
  }
  return readLog(log);
}
