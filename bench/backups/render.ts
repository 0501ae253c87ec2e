/** docs/benchmarks-backups.md from results. Pure: every sentence that depends on a figure is made from it. */
import { humanBytes, humanSeconds } from "../../migration/engine/events";
import { machineTable, period, plain, spread, table, times } from "../markdown";
import { summary, type Summary } from "../statistics";
import { ordersPerSecond } from "./load";
import {
  compressions,
  type Kind,
  loads,
  type MeasuredCompression,
  type MeasuredWalCompression,
  nameOf,
  parallels,
  turns,
  walCompressions,
  type Way,
} from "./plan";
import type { Carried, Figures, OutcomeOf, Results } from "./results";

/** Bytes of a WAL segment. */
const segmentBytes = 16 * 2 ** 20;

const megabytes = (rate: number) => rate / 1e6;

/** The outcomes of a kind that succeeded. */
type Measured<Each extends Kind> = OutcomeOf<Each> & { readonly figures: Figures[Each] };
function measured<Each extends Kind>({ outcomes }: Results, kind: Each): Measured<Each>[] {
  return outcomes.filter(
    (outcome): outcome is Measured<Each> => outcome.kind === kind && outcome.figures !== undefined,
  );
}

const segmentsPerSecond = ({ segments, seconds }: Carried) => segments / seconds;

/** Of WAL that was archived, or fetched. */
function carried(
  results: Results,
  kind: "archive" | "fetch",
  way: Way,
  compression: MeasuredWalCompression,
  parallel: number,
  of: (figures: Carried) => number = segmentsPerSecond,
): Summary | undefined {
  return summary(
    measured(results, kind)
      .filter((one) => one.way === way && one.compression === compression && one.parallel === parallel)
      .map(({ figures }) => of(figures)),
  );
}

function backedUp(
  results: Results,
  way: Way,
  size: string,
  compression: string,
  of: (figures: Figures["base"]) => number,
): Summary | undefined {
  return summary(
    measured(results, "base")
      .filter((one) => one.way === way && one.size === size && one.compression === compression)
      .map(({ figures }) => of(figures)),
  );
}

function restored(
  results: Results,
  way: Way,
  size: string,
  of: (figures: Figures["restore"]) => number | null | undefined,
): Summary | undefined {
  return summary(
    measured(results, "restore")
      .filter((one) => one.way === way && one.size === size)
      .flatMap(({ figures }) => of(figures) ?? []),
  );
}

function disk(results: Results, of: "read" | "write"): Summary | undefined {
  return summary(measured(results, "disk").map(({ figures }) => megabytes(figures[of])));
}

function stored(results: Results, compression: MeasuredWalCompression): Summary | undefined {
  return summary(
    measured(results, "stored")
      .filter((one) => one.compression === compression)
      .map(({ figures }) => figures.segmentBytes),
  );
}

const baseRate = ({ databaseBytes, seconds }: Figures["base"]) => megabytes(databaseBytes / seconds);
const restoreRate = ({ databaseBytes, fetchSeconds }: Figures["restore"]) => megabytes(databaseBytes / fetchSeconds);

function ratio(one: Summary | undefined, other: Summary | undefined): number | undefined {
  return one === undefined || other === undefined ? undefined : one.median / other.median;
}

/** The size at which compressions were compared: the one that has more than the stack's own. */
function comparedSize(results: Results): string | undefined {
  const { sizes, configured } = results;
  return sizes.find((size) =>
    turns({ ...results, runs: 1 }).some(
      (turn) => turn.kind === "base" && turn.size === size && turn.compression !== configured.compression,
    ),
  );
}

/** The whole page. */
export function render(results: Results): string {
  const { runs, configured, instance, segments, promises } = results;
  const own = `${instance.memory} of memory, ${instance.cpu} cores; its sidecar ${instance.sidecarMemory} and ${instance.sidecarCpu} cores; otherwise as in the stack \`local\``;
  return `# Benchmarks of the backups

Written by \`npm run bench -- render\` from the results of one run; do not edit. \`npm run bench -- ${results.command}\`, ${period(results)}, at commit ${results.commit}.

The stack is set to ${configured.walCompression} for WAL, ${configured.walMaxParallel} segments at once, and ${configured.compression} for base backups, ${configured.jobs} jobs. It promises that no commit older than ${promises.recoveryPoint} s is lost,
and that a restored database answers within ${humanSeconds(promises.recoveryTime)}.

${verdicts(results)}

## What is measured

The stack \`local\` with its store (versitygw) on an embedded cluster, one after the other, ${runs} ${runs === 1 ? "run" : "runs"}: the median, and in brackets the least and the most. Rates count bytes before compression;
MB are millions.

- **By hand**: barman-cloud's own commands in the same container, with the same options, keys and limits, without the operator and the plugin; one WAL segment after the other, as PostgreSQL's archiver calls an archive_command.
- **The disk**: the instance's volume by itself, 256 MiB that do not compress, written with fsync at the end, and read after the cache was dropped.
- WAL: ${segments} segments of orders that were placed and changed, which the archiver is made to archive once more, and which are fetched by the restore_command that a recovery has. What was fetched is compared.
- Restore: a whole drill (\`npm run drill\`): a recovery Cluster from the store, from its order until it answers queries, with the row there that was written and archived before; tables are compared, files checked.

${machineTable(results, "database, sidecar, store and Kubernetes", own)}

Database, store and restored database share one machine and one disk, and no network lies between them: a store elsewhere is slower, and takes no processor time from the database.

The disk: ${spread(disk(results, "write"))} MB/s written, ${spread(disk(results, "read"))} MB/s read.

## WAL archived

Segments a second, by compression and \`maxParallel\`:

${carriedTable(results, "archive")}

${costTable(results, "archive")}

${storedTable(results)}

## WAL fetched

The same segments, as a server in recovery asks for them:

${carriedTable(results, "fetch")}

${costTable(results, "fetch")}

## Base backups

${baseSection(results)}

## Restore

${restoreTable(results)}

"Fetched" is the base backup's files, "replayed" the WAL after it with its fetching, "the rest" volumes, pods and the server's start. "Largest" is the database for which the promised time holds at this rate.

## Commits that can be lost

The age of the oldest commit that is not in the store, asked about twice a second while a load writes, which it does for longer than the promise. By arithmetic it is at most archive_timeout (${promises.archiveTimeout} s) and the upload (${promises.uploadAllowance} s allowed).

${pointTable(results)}

## Losses

${losses(results)}

## Not measured

${notMeasured(results)}
`;
}

/** Whether the promises are held. */
function verdicts(results: Results): string {
  const { promises, sizes } = results;
  const verdict = (value: number | undefined, promised: number) =>
    value === undefined ? "not measured" : `${value.toFixed(1)} s, ${value <= promised ? "held" : "**not held**"}`;
  const rows = [
    ...sizes.map((size) => [
      `RTO of ${size}`,
      humanSeconds(promises.recoveryTime),
      verdict(restored(results, "plugin", size, ({ recovery }) => recovery?.seconds)?.most, promises.recoveryTime),
    ]),
    ...loads.map((load) => [
      `RPO, ${load} load`,
      `${promises.recoveryPoint} s`,
      verdict(pointOf(results, load)?.figures.most, promises.recoveryPoint),
    ]),
  ];
  return table(["promise", "promised", "most that was measured"], rows);
}

/** The compressions of WAL that were measured. */
const knownTo = ({ broken }: Results) => walCompressions.filter((compression) => !broken.includes(compression));

/** Segments a second, by compression and number at once. */
function carriedTable(results: Results, kind: "archive" | "fetch"): string {
  const { walCompression, walMaxParallel } = results.configured;
  const rows = knownTo(results).map((compression) => {
    const hand = carried(results, kind, "hand", compression, 1);
    const own = carried(results, kind, "plugin", compression, walMaxParallel);
    return [
      compression === walCompression ? `**${compression}**` : compression,
      ...parallels.map((parallel) => spread(carried(results, kind, "plugin", compression, parallel), 2)),
      spread(hand, 2),
      times(ratio(own, hand)),
    ];
  });
  const columns = parallels.map((parallel) => (parallel === walMaxParallel ? `**${parallel}**` : String(parallel)));
  return table(["compression", ...columns, "by hand", `${walMaxParallel} ÷ by hand`], rows);
}

/** What the table before it is in bytes, beside the disk, and in processor time. */
function costTable(results: Results, kind: "archive" | "fetch"): string {
  const parallel = results.configured.walMaxParallel;
  const rows = knownTo(results).map((compression) => {
    const rate = carried(results, kind, "plugin", compression, parallel, ({ segments: count, seconds }) =>
      megabytes((count * segmentBytes) / seconds),
    );
    const cpu = (figures: Carried) => figures.cpuSeconds / figures.segments;
    return [
      compression,
      spread(rate),
      times(ratio(rate, disk(results, "write"))),
      spread(carried(results, kind, "plugin", compression, parallel, cpu), 2),
      spread(carried(results, kind, "hand", compression, 1, cpu), 2),
    ];
  });
  const head = [
    `MB/s, ${parallel} at once`,
    "÷ the disk's writing",
    "processor s a segment, the sidecar's",
    "the same by hand",
  ];
  return table(["compression", ...head], rows);
}

function storedTable(results: Results): string {
  const rows = knownTo(results).map((compression) => {
    const kept = stored(results, compression);
    return [
      compression,
      kept === undefined ? "" : humanBytes(Math.round(kept.median)),
      kept === undefined ? "" : `${((100 * kept.median) / segmentBytes).toFixed(0)} %`,
    ];
  });
  return table(["compression", "stored a segment", "of 16 MiB"], rows);
}

function baseSection(results: Results): string {
  const { configured, sizes } = results;
  const compared = comparedSize(results);
  const rowOf = (size: string, compression: MeasuredCompression) => {
    const own = backedUp(results, "plugin", size, compression, baseRate);
    const hand = backedUp(results, "hand", size, compression, baseRate);
    const share = backedUp(
      results,
      "plugin",
      size,
      compression,
      ({ storedBytes, databaseBytes }) => (100 * storedBytes) / databaseBytes,
    );
    return [
      size,
      compression === configured.compression ? `**${compression}**` : compression,
      spread(backedUp(results, "plugin", size, compression, ({ seconds }) => seconds)),
      spread(own),
      spread(hand),
      times(ratio(own, hand)),
      times(ratio(own, disk(results, "read"))),
      share === undefined ? "" : `${share.median.toFixed(0)} %`,
    ];
  };
  const rows = sizes.flatMap((size) =>
    compressions
      .filter((compression) => !results.absent.includes(compression))
      .filter((compression) => size === compared || compression === configured.compression)
      .map((compression) => rowOf(size, compression)),
  );
  return `From the order until the Backup is completed, by hand until the command ends. The server's files are read once before, so that they lie in the cache as far as there is room.

${table(["database", "compression", "s", "MB/s", "MB/s by hand", "÷ by hand", "÷ the disk's reading", "stored"], rows)}`;
}

function restoreTable(results: Results): string {
  const rows = results.sizes.map((size) => {
    const own = restored(results, "plugin", size, restoreRate);
    const hand = restored(results, "hand", size, restoreRate);
    const bytes = restored(results, "plugin", size, ({ databaseBytes }) => databaseBytes);
    const largest = restored(results, "plugin", size, ({ recovery }) => recovery?.largestDatabaseBytes);
    const part = (of: (recovery: NonNullable<Figures["restore"]["recovery"]>) => number | null) =>
      spread(restored(results, "plugin", size, ({ recovery }) => (recovery === undefined ? undefined : of(recovery))));
    return [
      size,
      bytes === undefined ? "" : humanBytes(Math.round(bytes.median)),
      `**${part(({ seconds }) => seconds)}**`,
      spread(restored(results, "plugin", size, ({ fetchSeconds }) => fetchSeconds)),
      part(({ replaySeconds }) => replaySeconds),
      part(({ fixedSeconds }) => fixedSeconds),
      spread(own),
      spread(hand),
      times(ratio(own, hand)),
      times(ratio(own, disk(results, "write"))),
      largest === undefined ? "" : humanBytes(Math.round(largest.median)),
    ];
  });
  const head = [
    "asked for",
    "all databases",
    "RTO, s",
    "fetched, s",
    "replayed, s",
    "the rest, s",
    "MB/s fetched",
    "by hand",
    "÷ by hand",
    "÷ the disk's writing",
    "largest",
  ];
  return table(head, rows);
}

function pointOf(results: Results, load: string): Measured<"point"> | undefined {
  return measured(results, "point").find((one) => one.load === load);
}

function pointTable(results: Results): string {
  const rows = loads.flatMap((load) => {
    const found = pointOf(results, load);
    if (found === undefined) return [];
    const { samples, median, most, waiting, commits, walBytes, seconds } = found.figures;
    return [
      [
        `${load}: at most ${ordersPerSecond(load)} orders a second`,
        `${(commits / seconds).toFixed(0)} commits, ${humanBytes(Math.round(walBytes / seconds))} of WAL a second`,
        median.toFixed(1),
        `**${most.toFixed(1)}**`,
        String(waiting),
        String(samples),
        String(results.promises.recoveryPoint),
      ],
    ];
  });
  return table(
    ["load", "was", "median, s", "most, s", "segments that waited, most", "times asked", "promised, s"],
    rows,
  );
}

/** Promises that were not held, settings that others beat, peers that were faster, and what failed. */
function losses(results: Results): string {
  const { promises, sizes, configured } = results;
  const late = sizes.flatMap((size) => {
    const most = restored(results, "plugin", size, ({ recovery }) => recovery?.seconds)?.most;
    return most === undefined || most <= promises.recoveryTime
      ? []
      : [`- RTO of ${size}: ${most.toFixed(1)} s, promised are ${promises.recoveryTime} s.`];
  });
  const lost = loads.flatMap((load) => {
    const most = pointOf(results, load)?.figures.most;
    return most === undefined || most <= promises.recoveryPoint
      ? []
      : [
          `- RPO, ${load} load: a commit was ${most.toFixed(1)} s old and not in the store, promised are ${promises.recoveryPoint} s.`,
        ];
  });
  const all = [
    ...late,
    ...lost,
    ...(["archive", "fetch"] as const).flatMap((kind) =>
      slower(
        `WAL ${kind === "archive" ? "archived" : "fetched"}, ${configured.walCompression}, ${configured.walMaxParallel} at once`,
        ratio(
          carried(
            results,
            kind,
            "plugin",
            configured.walCompression as MeasuredWalCompression,
            configured.walMaxParallel,
          ),
          carried(results, kind, "hand", configured.walCompression as MeasuredWalCompression, 1),
        ),
      ),
    ),
    ...sizes.flatMap((size) => [
      ...compressions.flatMap((compression) =>
        slower(
          `base backup of ${size}, ${compression}`,
          ratio(
            backedUp(results, "plugin", size, compression, baseRate),
            backedUp(results, "hand", size, compression, baseRate),
          ),
        ),
      ),
      ...slower(
        `restore of ${size}, files fetched`,
        ratio(restored(results, "plugin", size, restoreRate), restored(results, "hand", size, restoreRate)),
      ),
    ]),
    ...betterSettings(results),
    ...results.outcomes.flatMap((outcome) =>
      outcome.failure === undefined ? [] : [`- ${nameOf(outcome)}: failed: ${plain(outcome.failure)}`],
    ),
  ];
  return all.length === 0
    ? "None: every promise was held, nothing by hand was faster, no setting beats the stack's, nothing failed."
    : all.join("\n");
}

function slower(what: string, value: number | undefined): string[] {
  return value === undefined || value >= 1
    ? []
    : [`- ${what}: by hand is faster; the plugin comes to ${times(value)} of its rate.`];
}

/** Settings that are faster than the stack's. */
function betterSettings(results: Results): string[] {
  const { configured } = results;
  const size = comparedSize(results);
  const grid = (kind: "archive" | "fetch") =>
    walCompressions.flatMap((compression) =>
      parallels.map((parallel) => ({
        name: `${compression}, ${parallel} at once`,
        own: compression === configured.walCompression && parallel === configured.walMaxParallel,
        rate: carried(results, kind, "plugin", compression, parallel)?.median,
      })),
    );
  const bases = compressions.map((compression) => ({
    name: compression,
    own: compression === configured.compression,
    rate: size === undefined ? undefined : backedUp(results, "plugin", size, compression, baseRate)?.median,
  }));
  return [
    ...beaten("archives WAL", grid("archive")),
    ...beaten("fetches WAL", grid("fetch")),
    ...beaten(`backs up ${size ?? ""}`, bases),
  ];
}

function beaten(
  what: string,
  settings: readonly { readonly name: string; readonly own: boolean; readonly rate: number | undefined }[],
): string[] {
  const own = settings.find((one) => one.own)?.rate;
  const known = settings.flatMap(({ name, rate }) => (rate === undefined ? [] : [{ name, rate }]));
  const best = known.sort((a, b) => b.rate - a.rate)[0];
  if (own === undefined || best === undefined || best.rate <= own) return [];
  return [`- ${best.name} ${what} fastest: ${times(best.rate / own)} times the rate of the stack's setting.`];
}

function notMeasured(results: Results): string {
  const planned = turns(results).length;
  const done = results.outcomes.length;
  return [
    ...(done < planned
      ? [`- ${planned - done} of ${planned} measurements: the time was up, or the run was broken off.`]
      : []),
    ...(results.runs < 3
      ? [
          `- At least three runs: there ${results.runs === 1 ? "is one" : `are ${results.runs}`}, so the spread says little.`,
        ]
      : []),
    ...(results.absent.length > 0
      ? [
          `- Base backups compressed by ${results.absent.join(", ")}: barman ${results.versions.barman ?? ""}, which the embedded cluster's sidecar has, does not know it.`,
        ]
      : []),
    ...(results.broken.length > 0
      ? [
          `- WAL compressed by ${results.broken.join(", ")}: the same barman, with what Debian has for it to compress with, does not archive one segment by it.`,
        ]
      : []),
    ...(results.absent.length + results.broken.length > 0
      ? [
          "- Compressions that this sidecar does not know have one run, in an image put together by hand: [decisions/backups.md](decisions/backups.md).",
        ]
      : []),
    results.runs === 1
      ? "- Compressions with another `maxParallel` than the stack's where both differ from it: more runs than one measure that once."
      : "- More than once: sizes beyond 1 GB, compressions with another `maxParallel` than the stack's where both differ from it, and the commits that can be lost.",
    "- A store on another machine or with OCI, a network, encryption, several instances, a backup from a standby, tables with other contents: how well rows compress decides much of this.",
    "- xz and bzip2. Other numbers of jobs than the stack's.",
    "- How much WAL is replayed a second: the base backup is fresh when it is restored.",
  ].join("\n");
}
