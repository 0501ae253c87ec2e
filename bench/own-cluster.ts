/** The embedded cluster of a benchmark: its own, from nothing, and gone in the end, however that comes. */
import { down, up, type EmbeddedCluster } from "../local/kubernetes/cluster";
import { step } from "../local/progress";

/** Measures on a cluster of this name. One that is there is taken down first: an interrupted run left it. */
export async function onOwnCluster<Result>(
  name: string,
  work: (cluster: EmbeddedCluster) => Promise<Result>,
): Promise<Result> {
  await down({ name });
  try {
    return await work(await up({ name }));
  } finally {
    await down({ name });
  }
}

let interrupted = false;

/** Whether the cluster is being taken away, and fails whatever is under way. */
export function isInterrupted(): boolean {
  return interrupted;
}

/** Takes the cluster away when the run is interrupted, and ends this program. */
export function takeAwayWhenInterrupted(name: string): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (interrupted) return;
      interrupted = true;
      step("interrupted; the cluster is taken away");
      down({ name }).then(
        () => process.exit(130),
        (error: unknown) => {
          process.stderr.write(
            `${error instanceof Error ? error.message : String(error)}\nnpm run kubernetes -- down --name ${name}\n`,
          );
          process.exit(1);
        },
      );
    });
  }
}
