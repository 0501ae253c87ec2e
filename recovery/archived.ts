import { setTimeout as sleep } from "node:timers/promises";
import type { Kubernetes } from "../migration/engine/kubernetes";
import { segmentNumber } from "./archive";

/**
 * Brings everything that a living server has committed by now into its archive: a commit, which gives a recovery to any earlier time an end that it can
 * see, and the end of its WAL segment. Waits until that segment is archived.
 *
 * @param seconds to wait at most
 * @returns undefined, or what is in the way
 */
export async function archiveUpToNow(source: Kubernetes, seconds: number): Promise<string | undefined> {
  // Where the switch ends, at most at the segment's very end: that name is the ended segment's.
  const segment = await source.control(
    "SELECT FROM pg_logical_emit_message(true, 'naytife-recovery', '')",
    "SELECT pg_walfile_name(pg_switch_wal())",
  );
  const bytes = Number(await source.control("SELECT setting FROM pg_settings WHERE name = 'wal_segment_size'"));
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const [last = "", error = ""] = (
      await source.control(
        "SELECT last_archived_wal, CASE WHEN last_failed_time > coalesce(last_archived_time, '-infinity') THEN last_failed_wal END FROM pg_stat_archiver",
      )
    ).split("|");
    if (/^[0-9A-F]{24}/.test(last) && segmentNumber(last, bytes) >= segmentNumber(segment, bytes)) return undefined;
    if (Date.now() > deadline) {
      const failing = error === "" ? "" : `; archiving ${error} fails`;
      return `WAL segment ${segment}, the last one, was not archived within ${seconds} s (the archive's last is ${last === "" ? "none" : last}${failing}): what was committed since is not in the bucket`;
    }
    await sleep(500);
  }
}
