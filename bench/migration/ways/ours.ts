import { Engine } from "../../../migration/engine/engine";
import { literal } from "../../../migration/engine/settings";
import { errand } from "../errand";
import { beginBackup, grow, openSource, untilReady, untilSafe } from "../ground";
import type { Way } from "./way";

interface Phase {
  readonly phase: string;
  readonly began: number;
  readonly ended: number;
}

/** This project's, into what the Cluster is when the migration begins; verified, switched; then it grows to what is missing. */
const into = (begins: "lone" | "full"): Way => ({
  begins,
  archives: "program",
  move: async (ground) => {
    const began = Date.now();
    let statistics: number | undefined;
    await new Engine(ground.settings, (_line, event) => {
      if (event?.event === "note" && event.text === "statistics are gathered") statistics = Date.now();
    }).migrate("target");
    // As the schedule does, which is made before the Cluster grows.
    const backup = await beginBackup(ground);
    await grow(ground);
    await untilReady(ground, ground.instances);
    const grown = Date.now();
    const safe = await untilSafe(ground, backup);
    const recorded = await ground.kubernetes.control(
      `SELECT json_build_object(
         'completed', (SELECT extract(epoch FROM completed) * 1000 FROM naytife_migration.marker WHERE target_database = ${literal(ground.settings.target.database)}),
         'phases', (SELECT json_agg(json_build_object('phase', phase, 'began', extract(epoch FROM started) * 1000, 'ended', extract(epoch FROM coalesce(finished, started)) * 1000) ORDER BY started) FROM naytife_migration.phase))`,
    );
    const { completed, phases } = JSON.parse(recorded) as { completed: number; phases: readonly Phase[] };
    const indexed = phases.find(({ phase }) => phase === "index")?.ended ?? 0;
    const analyzed = statistics === undefined || indexed === 0 ? 0 : Math.max(0, (indexed - statistics) / 1000);
    const parts = phases.flatMap((phase): [string, number][] => {
      const took = (phase.ended - phase.began) / 1000;
      if (phase.phase !== "index") return [[phase.phase === "dump" ? "dump (beside)" : phase.phase, took]];
      return [
        ["index", took - analyzed],
        ["analyzed", analyzed],
      ];
    });
    const seconds: Record<string, number> = {
      ...Object.fromEntries(parts),
      grown: (grown - completed) / 1000,
      stored: (safe - grown) / 1000,
    };
    // Its own comparison, and much more, has been made; this one asks all ways the same question.
    await openSource(ground);
    const { parity } = await errand(ground, "compare.sh");
    return {
      parts: seconds,
      copyAndIndex: (seconds.copy ?? 0) + (seconds.index ?? 0),
      verified: (completed - began) / 1000,
      safe: (safe - began) / 1000,
      parity,
      complaints: [],
    };
  },
});

/** As a Cluster is loaded that was there before. */
export const ours = into("full");
/** As a Cluster is loaded that is made for it. */
export const alone = into("lone");
