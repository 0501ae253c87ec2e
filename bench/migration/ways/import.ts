import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterSpec } from "../../../components/cluster";
import { names as sourceNames } from "../../../local/legacy/manifests";
import { errand } from "../errand";
import { beginBackup, clusterManifest, createCluster, type Ground, untilSafe } from "../ground";
import type { Way } from "./way";

/** How long it may take until the first instance serves, in milliseconds. */
const limit = 20 * 60_000;

/** A Cluster that fills itself from the source when it is made. */
function importing(spec: ClusterSpec): object {
  if (!("initdb" in spec.bootstrap)) throw new Error("a Cluster that is recovered imports nothing");
  const { initdb } = spec.bootstrap;
  return {
    ...spec,
    bootstrap: {
      initdb: {
        ...initdb,
        // The dump brings the schemas.
        postInitApplicationSQL: undefined,
        import: { type: "microservice", databases: [sourceNames.database], source: { externalCluster: "legacy" } },
      },
    },
    externalClusters: [
      {
        name: "legacy",
        connectionParameters: {
          host: sourceNames.service,
          user: sourceNames.user,
          dbname: sourceNames.database,
          sslmode: "prefer",
        },
        password: { name: sourceNames.secret, key: "POSTGRES_PASSWORD" },
      },
    ],
  };
}

/** When the operator's Job said what, by its messages: seconds from 1970. */
export function saidAt(log: string, message: string): number | undefined {
  for (const line of log.split("\n")) {
    if (!line.includes(message)) continue;
    const at = Date.parse(/"ts":"([^"]+)"/.exec(line)?.[1] ?? "");
    if (!Number.isNaN(at)) return at / 1000;
  }
  return undefined;
}

/** The import's Job, looked at while it is there: the operator takes it away when it is done. */
class Import {
  log = "";
  failed = false;

  constructor(private readonly ground: Ground) {}

  async look(): Promise<void> {
    const { api, namespace } = this.ground;
    const { items } = await api.core.listNamespacedPod({ namespace, labelSelector: "cnpg.io/jobRole=import" });
    const pod = items[0];
    if (pod?.metadata?.name === undefined) return;
    this.failed ||= pod.status?.phase === "Failed";
    // It may not have started yet, or be gone already.
    this.log = await api.core.readNamespacedPodLog({ name: pod.metadata.name, namespace }).catch(() => this.log);
  }
}

/** CloudNativePG's own: `bootstrap.initdb.import`, type microservice. The Cluster's making is the move. */
export const cnpgImport: Way = {
  begins: "none",
  archives: "plan",
  move: async (ground) => {
    const began = Date.now();
    const seconds = (at: number) => (at - began) / 1000;
    await createCluster(ground, clusterManifest(ground, "full", importing));
    const job = new Import(ground);
    const deadline = began + limit;
    // The first instance serves while the others are made.
    while (((await ground.kubernetes.cluster())?.status?.readyInstances ?? 0) < 1) {
      await job.look();
      if (job.failed || Date.now() > deadline) {
        const errors = job.log.split("\n").filter((line) => /error/i.test(line));
        throw new Error(
          `the import ${job.failed ? "failed" : "did not end"}: ${errors.slice(-2).join(" | ").slice(0, 800)}`,
        );
      }
      await sleep(300);
    }
    const ready = Date.now();
    const { ended, parity, complaints } = await errand(ground, "compare.sh");
    const safe = await untilSafe(ground, await beginBackup(ground));
    const [from, to] = [saidAt(job.log, "exporting database"), saidAt(job.log, "running analyze")];
    if (from === undefined || to === undefined) throw new Error("the import's log does not say when it copied");
    return {
      parts: {
        created: from - began / 1000,
        imported: to - from,
        served: ready / 1000 - to,
        compared: (ended - ready) / 1000,
      },
      copyAndIndex: to - from,
      verified: seconds(ended),
      safe: seconds(safe),
      parity,
      complaints,
    };
  },
};
