import { setTimeout as sleep } from "node:timers/promises";
import { MigrationFailure } from "../migration/engine/failure";
import type { Kubernetes } from "../migration/engine/kubernetes";
import { causeOf, type ArchivePlace } from "./causes";
import { BackupFailure } from "./failure";

/** How often is looked, in milliseconds. */
const pause = 1000;

/** After three failures in a row the archiver rests for a minute, unless another segment is finished. It is woken so often, in milliseconds. */
const rest = 10_000;

/** Finishes a WAL segment, and says which: what is written is known to nobody. */
const finishSegment = [
  "SELECT NULL FROM pg_logical_emit_message(true, 'naytife', 'archiving')",
  "SELECT pg_walfile_name(pg_current_wal_lsn())",
  "SELECT NULL FROM pg_switch_wal()",
];

interface Archiver {
  readonly waits: boolean;
  readonly waiting: number;
  readonly failed: number;
}

type Asked = Pick<Kubernetes, "presentCluster" | "control" | "sidecarLog">;

/**
 * Waits until a WAL segment that is finished now lies in the store. A Cluster is ready before that, and would stay so without a single backup.
 *
 * @param deadline - seconds
 * @param say receives a line of progress
 * @returns seconds that it took
 * @throws BackupFailure with the cause, at once where it is one that does not pass by itself
 */
export async function untilArchiving(
  kubernetes: Asked,
  place: ArchivePlace,
  deadline: number,
  say: (line: string) => void,
): Promise<number> {
  const began = Date.now();
  await kubernetes.presentCluster();
  let said = "";
  const tell = (line: string) => {
    if (line !== said) say(line);
    said = line;
  };
  // The update itself may have made the operator restart the primary.
  const ask = async (...statements: string[]): Promise<string> => {
    for (;;) {
      try {
        return await kubernetes.control(...statements);
      } catch (error) {
        if (error instanceof MigrationFailure || Date.now() - began > deadline * 1000) throw error;
        tell("the primary does not answer yet");
        await sleep(pause);
      }
    }
  };
  const segment = (await ask(...finishSegment)).trim();
  let woken = Date.now();
  for (;;) {
    const { waits, waiting, failed } = JSON.parse(await ask(archiverOf(segment))) as Archiver;
    const seconds = (Date.now() - began) / 1000;
    if (!waits) {
      say(`WAL segment ${segment} lies in ${place.destinationPath}/${place.serverName} after ${seconds.toFixed(0)} s`);
      return seconds;
    }
    // Not what it said before somebody mended it.
    const cause = failed === 0 ? undefined : causeOf(await kubernetes.sidecarLog(Math.ceil(seconds) + 1), place);
    if (cause?.lasts === true || seconds > deadline) {
      throw new BackupFailure(
        cause?.what ?? `WAL segment ${segment} was not archived within ${deadline} s`,
        "The database runs and keeps its WAL. No data was moved.",
        cause?.next ??
          "Look at the sidecar: kubectl logs <primary> -c plugin-barman-cloud. Then run `pulumi up` again.",
      );
    }
    const line = [`${waiting} WAL segments wait for the store`, ...(cause === undefined ? [] : [cause.what])].join(
      "; ",
    );
    tell(line);
    if (failed > 0 && Date.now() - woken > rest) {
      await ask(...finishSegment);
      woken = Date.now();
    }
    await sleep(pause);
  }
}

function archiverOf(segment: string): string {
  return `SELECT json_build_object('waits', bool_or(name = '${segment}.ready') IS TRUE, 'waiting', count(*),
       'failed', (SELECT failed_count FROM pg_stat_archiver))
     FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'`;
}
