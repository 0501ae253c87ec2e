import { inits, readPlan, type EmbeddedCluster } from "../../local/kubernetes/cluster";
import { connect, readyPod, type Cluster, type Target as LegacyTarget } from "../../local/legacy/cluster";
import { connectionSecret } from "../../local/legacy/legacy";
import { startWriter, stopWriter, type Writer } from "../../local/legacy/writer";
import type { Settings } from "../../migration/engine/settings";
import { legacyImage, migrationFixture, type MigrationFixture } from "../e2e/migration-fixture";
import { bundleEngine } from "./engine";
import type { Mode } from "./plan";
import { query } from "./query";
import { SmallVolume } from "./volume";

/** Where a campaign plays: both databases, a writer at the old one, and what is needed to do them harm. */
export interface Scene {
  readonly fixture: MigrationFixture;
  readonly api: Cluster;
  /** What is run as the engine. */
  readonly engine: string;
  /** Of every migration. */
  readonly settings: Settings;
  /** Where both databases are. */
  readonly legacyTarget: LegacyTarget;
  readonly writer: Writer;
  /** SQL as superuser on the source, and on the target. */
  readonly source: (sql: string, database?: string) => Promise<string>;
  readonly target: (sql: string, database?: string) => Promise<string>;
  readonly dumpVolume: SmallVolume;
  readonly targetVolume: SmallVolume;
  readonly takeDown: () => Promise<void>;
}

/**
 * @param mode how the migrations are made
 * @param name of `cluster`, which runs on this machine: containers are killed by their processes, disks filled by their files
 */
export async function setTheScene(mode: Mode, name: string, cluster: EmbeddedCluster): Promise<Scene> {
  const plan = await readPlan(name);
  const node = plan && (await inits(plan)).get(1);
  if (node === undefined) throw new Error(`The cluster "${name}" does not run here. Nothing was changed.`);
  const id = `kill-${Date.now().toString(36)}`;
  const dumpVolume = await SmallVolume.make(cluster, node, `${id}-dump`, "160Mi");
  const targetVolume = await SmallVolume.make(cluster, node, `${id}-target`, "1Gi");
  const storage = ({ name, size }: SmallVolume) => ({ storageClass: name, size });
  // The campaign's many copies are not to fill it by their WAL.
  const parameters = { max_wal_size: "128MB", min_wal_size: "64MB" };
  const fixture = await migrationFixture("kill", {
    size: "10MB",
    walLevel: "logical",
    parameters,
    place: { cluster, dumpStorage: storage(dumpVolume), targetStorage: storage(targetVolume) },
  });
  const legacyTarget = { ...fixture.target, namespace: fixture.namespace };
  const writer = await startWriter(legacyTarget, {
    name: "writer",
    image: legacyImage,
    periodMilliseconds: 400,
    durationSeconds: 86_400,
    url: await connectionSecret(legacyTarget),
  });
  const engine = await bundleEngine();
  const api = connect(legacyTarget);
  const { namespace } = fixture;
  const source = { api, namespace, pod: await readyPod(api, namespace), user: "naytife" };
  const target = { api, namespace, pod: "naytife-postgres-1", user: "postgres" };
  return {
    fixture,
    api,
    engine: engine.path,
    settings: { ...fixture.settings, mode },
    legacyTarget,
    writer,
    source: (sql, database = "postgres") => query(source, sql, database),
    target: (sql, database = "postgres") => query(target, sql, database),
    dumpVolume,
    targetVolume,
    takeDown: async () => {
      await stopWriter(writer);
      await fixture.takeDown();
      await dumpVolume.remove();
      await targetVolume.remove();
      await engine.remove();
    },
  };
}
