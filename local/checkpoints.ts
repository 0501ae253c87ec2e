import { setTimeout as sleep } from "node:timers/promises";

const copiesThatWait =
  "SELECT count(*) FROM pg_stat_progress_basebackup WHERE phase = 'waiting for checkpoint to finish'";

/**
 * Does work in which standbys are copied. Each copy waits for a checkpoint that is spread over minutes, to be gentle on clients; here are none, and no copy has to
 * wait.
 *
 * @param asSuperuser SQL on the primary
 */
export async function withCheckpointsAtOnce<Result>(
  asSuperuser: (sql: string) => Promise<string>,
  work: () => Promise<Result>,
): Promise<Result> {
  const state = { done: false };
  const hurry = async () => {
    while (!state.done) {
      // Before there is a primary there is nobody to ask; and without this a standby comes up too, later.
      const waiting = await asSuperuser(copiesThatWait).catch(() => "0");
      if (waiting !== "0") await asSuperuser("CHECKPOINT").catch(() => undefined);
      await sleep(1000);
    }
  };
  const hurrying = hurry();
  try {
    return await work();
  } finally {
    state.done = true;
    await hurrying;
  }
}
