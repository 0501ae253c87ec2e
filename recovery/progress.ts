import { humanBytes, humanSeconds } from "../migration/engine/events";
import { type Fetched, rateOf } from "./fetching";
import { stamp, type RecoveryPlan } from "./plan";

const phases = ["starting", "base backup", "replaying", "recovered"] as const;

/** Where a recovery is, read out of the log of the operator's Job: what its sidecar fetches, and what PostgreSQL replays. */
export interface Progress {
  readonly phase: (typeof phases)[number];
  /** Milliseconds, since when it is in this phase. */
  readonly since: number;
  /** barman's name for the base backup that is restored. */
  readonly backup?: string;
  /** What of it has come, as it lies in the store; undefined where nobody could look yet. */
  readonly fetched?: Fetched;
  /** Segments that PostgreSQL took from the archive. */
  readonly replayed: number;
  readonly segment?: string;
  /** The last commit that was replayed, as PostgreSQL wrote its time. */
  readonly lastCommit?: string;
  /** The first commit that was not replayed, since it is later than the target. */
  readonly stoppedBefore?: string;
  /** It stopped as soon as the base backup was consistent. */
  readonly consistent?: true;
  readonly timeline?: number;
  /** The first segment that the archive did not have when PostgreSQL asked for it. It may just be the end. */
  readonly notFound?: string;
  /** What went wrong, in the tools' own words, without repetitions; newest last. */
  readonly complaints: readonly string[];
}

/** Before the first line. */
export function beginning(now: number): Progress {
  return { phase: "starting", since: now, replayed: 0, complaints: [] };
}

/** Complaints that are kept: enough for the cause, which often comes before its consequences. */
const keptComplaints = 20;

/** One line of either container's log, at `now` in milliseconds. */
export function observe(before: Progress, line: string, now: number): Progress {
  const { message, severity, wal, backup } = read(line);
  // Two containers are heard, and one may be heard late.
  const enter = (phase: Progress["phase"]): Progress =>
    phases.indexOf(phase) <= phases.indexOf(before.phase) ? before : { ...before, phase, since: now };
  if (message === "Target backup found" && backup !== undefined) return { ...enter("base backup"), backup };
  if (message === "Starting barman-cloud-restore") return enter("base backup");
  if (message === "WAL file not found in the recovery object store" && isSegment(wal)) {
    return { ...before, notFound: before.notFound ?? wal };
  }
  const restored = /^restored log file "([0-9A-F]{24})" from archive/.exec(message)?.[1];
  if (restored !== undefined) {
    // The operator proves that the first segment is there before PostgreSQL is: that one does not pass through here.
    return { ...enter("replaying"), replayed: before.replayed + 1, segment: restored };
  }
  if (/^starting (backup recovery|point-in-time recovery|archive recovery)/.test(message)) return enter("replaying");
  const commit = /^last completed transaction was at log time (.+)$/.exec(message)?.[1];
  if (commit !== undefined) return { ...before, lastCommit: commit };
  if (message === "recovery stopping after reaching consistency") return { ...before, consistent: true };
  const stopped = /^recovery stopping (?:before|after) (?:commit|abort) of transaction \d+, time (.+)$/.exec(
    message,
  )?.[1];
  if (stopped !== undefined) return { ...before, stoppedBefore: stopped };
  const timeline = /^selected new timeline ID: (\d+)/.exec(message)?.[1];
  if (timeline !== undefined) return { ...before, timeline: Number(timeline) };
  if (message === "archive recovery complete") return enter("recovered");
  if (severity !== "error" || before.complaints.at(-1) === message) return before;
  return { ...before, complaints: [...before.complaints, message].slice(-keptComplaints) };
}

interface Line {
  readonly message: string;
  readonly severity: "error" | "other";
  readonly wal: string;
  readonly backup: string | undefined;
}

/** PostgreSQL's own words, where the operator's log carries a line of it; else the operator's, or the plugin's, with the error behind. */
function read(line: string): Line {
  const entry = object(line) ?? { msg: line };
  const record = asObject(entry.record);
  const wal = text(entry.walName);
  const backup = text(asObject(entry.backup)?.backup_id);
  const common = { wal, backup: backup === "" ? undefined : backup };
  if (record !== undefined) {
    const grave = /^(ERROR|FATAL|PANIC)$/.test(text(record.error_severity));
    return { ...common, message: text(record.message), severity: grave ? "error" : "other" };
  }
  const said = text(entry.msg);
  const error = text(entry.error);
  // barman-cloud's programs write their errors where the sidecar takes them for information.
  const grave =
    error !== "" || entry.level === "error" || /\b(ERROR|CRITICAL|FATAL|PANIC)\b|Exception|Error:/.test(said);
  return { ...common, message: error === "" ? said : `${said}: ${error}`, severity: grave ? "error" : "other" };
}

function object(text: string): Record<string, unknown> | undefined {
  try {
    return asObject(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function asObject(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function isSegment(name: string): boolean {
  return /^[0-9A-F]{24}$/.test(name);
}

/** What there is to say at `now`, in milliseconds: how far, how fast, how long still. */
export function progressLine(progress: Progress, plan: RecoveryPlan, now: number): string {
  const { phase, since, replayed, segment } = progress;
  const seconds = Math.max((now - since) / 1000, 0.001);
  switch (phase) {
    case "starting":
      return `waiting for the recovery's pod, since ${humanSeconds(seconds)}`;
    case "base backup": {
      const { backup = plan.backup.id, fetched } = progress;
      const { bytes } = plan.backup;
      const rate = fetched && rateOf(fetched, now);
      if (fetched === undefined || rate === undefined)
        return `base backup ${backup}: ${humanBytes(bytes)} to fetch and unpack, since ${humanSeconds(seconds)}`;
      const come = Math.min(fetched.bytes, bytes);
      return `base backup ${backup}: ${humanBytes(come)} of ${humanBytes(bytes)} fetched, ${humanBytes(rate)}/s, about ${humanSeconds((bytes - come) / rate)} left`;
    }
    case "replaying": {
      const total = Math.max(plan.segments.length, replayed);
      const rate = replayed / seconds;
      const left = replayed === 0 ? "" : `, about ${humanSeconds((total - replayed) / rate)} left`;
      return `WAL: ${replayed} of at most ${total} segments replayed${segment === undefined ? "" : ` (${segment})`}, ${rate.toFixed(1)} a second${left}`;
    }
    case "recovered":
      return `recovered${progress.lastCommit === undefined ? "" : `, last commit ${progress.lastCommit}`}; the server starts`;
  }
}

/** Why a recovery failed, and what to do. */
export interface Cause {
  readonly what: string;
  readonly next: string;
  /** Trying again changes nothing: it is not waited for. */
  readonly final: boolean;
}

/** What a pod that failed says about why. Signs of barman-cloud, boto, PostgreSQL and the plugin, in the order in which one hides another. */
export function causeOf({ complaints, notFound, lastCommit }: Progress, plan: RecoveryPlan): Cause {
  const all = complaints.join("\n");
  const said = complaints.at(-1) ?? "it ended without a word";
  if (
    /InvalidAccessKeyId|SignatureDoesNotMatch|AccessDenied|Forbidden|\b403\b|Unable to locate credentials/.test(all)
  ) {
    return {
      what: "the store refuses the credentials",
      next: "Mend the Secret that the ObjectStore names.",
      final: true,
    };
  }
  if (/NoSuchBucket|bucket .* does not exist/i.test(all)) {
    return { what: "there is no such bucket", next: "Check the ObjectStore's destinationPath.", final: true };
  }
  if (/EndpointConnectionError|Could not connect to the endpoint|ConnectTimeout|connectivity/i.test(all)) {
    return {
      what: "the store cannot be reached",
      next: "Check the ObjectStore's endpointURL, and the store.",
      final: false,
    };
  }
  if (all.includes("Expected empty archive")) {
    return {
      what: "the bucket holds an archive under the new cluster's name already",
      next: "Take another name with --as.",
      final: true,
    };
  }
  if (all.includes("recovery ended before configured recovery target was reached")) {
    const until = lastCommit ?? `the end of base backup ${plan.backup.id}`;
    // PostgreSQL asks for the one behind the last as well, to see that there is none.
    if (notFound !== undefined && notFound.slice(8) > (plan.segments.at(-1) ?? "").slice(8)) {
      return {
        what: `the archive has no commit that is later than the target: it ends with the commit of ${until}`,
        next: "Recover with --latest.",
        final: true,
      };
    }
    const segment = notFound === undefined ? "a WAL segment" : `WAL segment ${notFound}`;
    return {
      what: `${segment} is missing in the archive: recovery ended before the target, with the commit of ${until}`,
      next:
        lastCommit === undefined
          ? "Restore the base backup alone with --backup."
          : `Recover to a time before ${lastCommit}, with --at.`,
      final: true,
    };
  }
  if (
    /first needed WAL|could not locate (a valid|required) checkpoint|WAL ends before (end of online backup|consistent)/.test(
      all,
    )
  ) {
    const segment = notFound ?? plan.backup.beginWal;
    return {
      what: `WAL segment ${segment} is missing in the archive, or damaged, without which base backup ${plan.backup.id} is not consistent`,
      next: "Recover from another base backup: --backup, or --at a time before it.",
      final: true,
    };
  }
  if (/no target backup found|no backup found with ID/.test(all)) {
    return {
      what: "the plugin finds no base backup that had ended by then",
      next: "`npm run recover -- window` says what there is.",
      final: true,
    };
  }
  const damagedBackup = complaints.find((one) =>
    /tarfile|ReadError|EOFError|zlib|BadGzipFile|CRC|unexpected end of (data|file)|invalid (header|compressed)|lz4|snappy|Can't restore backup|NoSuchKey/i.test(
      one,
    ),
  );
  if (damagedBackup !== undefined) {
    return {
      what: `base backup ${plan.backup.id} (${stamp(plan.backup.end)}) is damaged or not whole: ${damagedBackup}`,
      next: "Recover from another base backup: --backup, or --at a time before this one's end.",
      final: true,
    };
  }
  const damagedSegment = complaints.find((one) =>
    /invalid (record|magic|resource)|incorrect (prev-link|resource manager)|unexpected pageaddr|archive file "\w+" has wrong size/.test(
      one,
    ),
  );
  if (damagedSegment !== undefined) {
    return {
      what: `a WAL segment is damaged: ${damagedSegment}`,
      next:
        lastCommit === undefined
          ? "Recover to a time before that segment was archived, with --at, or from a base backup that is later."
          : `Recover to a time before ${lastCommit}, with --at.`,
      final: true,
    };
  }
  return { what: said, next: "Look at the log of the recovery's pod.", final: false };
}
