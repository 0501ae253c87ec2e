import { gzipSync } from "node:zlib";
import { archives, reach, segmentName, segmentNumber, timelines, windows, type Archive } from "../../recovery/archive";
import { type MovingCluster, refusalToMix, refusalToMove } from "../../recovery/archive-move";
import { answerOf, listingPod, prefixOf, StoreUnavailable, type ObjectStore } from "../../recovery/bucket";
import { type ConfiguredRecovery, refusalOf, refusalToBegin } from "../../recovery/configured-recovery";
import { describe as bucketWords } from "../../recovery/commands/window";
import { recoveringCluster, recoveryTarget, databaseOf, specOfStack } from "../../recovery/manifest";
import { invocation } from "../../recovery/main";
import { UsageError } from "../../commands/command";
import { expectation, expectedSeconds, measuredBy } from "../../recovery/expectation";
import { freeName, planRecovery, type RecoveryPlan, type Target, windowWords } from "../../recovery/plan";
import { targetOf } from "../../recovery/preflight";
import { type Fetched, looked, receivedBytes } from "../../recovery/fetching";
import { beginning, causeOf, observe, progressLine, type Progress } from "../../recovery/progress";
import type { Cluster, Objects } from "../../recovery/objects";
import { everyLocalRun, promoted, takeOver } from "../../recovery/promotion";
import { renderReport, sound, type RecoveryReport } from "../../recovery/report";
import { configuredRecovery, recoverySettings, recoverySource } from "../../recovery/settings";
import { RecoverySourceCheck } from "../../recovery/source-check";
import { turned } from "../../recovery/switch";
import { targetTime } from "../../recovery/target-time";
import { endedWhereAsked, soundContents } from "../../recovery/verification";
import { validate } from "../../config";
import { project, stackConfiguration } from "../../local/stack-files";
import { valuesOf } from "../../local/stack-values";
import { cnpgSchema } from "../crd-schema";
import { exampleSettings } from "../migration-settings";
import { record } from "../recording";
import { at, Bucket, segment } from "../recovery-archive";

const server = "naytife-postgres";

/** One base backup, and a segment a minute after it. */
function usual(): Bucket {
  const bucket = new Bucket().backup(server, "20261121T220000", 10, [segment(3), segment(4)]);
  for (let number = 2; number <= 9; number++) bucket.segment(server, segment(number), 5 + number);
  return bucket;
}

function only(bucket: Bucket): Archive {
  const [archive] = archives(bucket.listing(), "local");
  return archive!;
}

const time = (text: string): Target => {
  const read = targetTime(text, "UTC");
  if (!("instant" in read)) throw new Error(read.problem);
  return { kind: "time", instant: read.instant };
};

function problemOf(answer: ReturnType<typeof planRecovery>): string {
  return "problem" in answer ? answer.problem : "none";
}

function planOf(answer: ReturnType<typeof planRecovery>): RecoveryPlan {
  if (!("plan" in answer)) throw new Error(answer.problem);
  return answer.plan;
}

describe("a time", () => {
  test.each([
    ["2026-11-21T22:03:10Z", "2026-11-21T22:03:10.000000Z"],
    ["2026-11-21 23:03:10.5+01:00", "2026-11-21T22:03:10.500000Z"],
    ["2026-11-21 17:33:10.123456-0430", "2026-11-21T22:03:10.123456Z"],
    ["2026-11-21 23:03+01", "2026-11-21T22:03:00.000000Z"],
    ["2026-11-21 22:03:10 UTC", "2026-11-21T22:03:10.000000Z"],
    // What Pulumi makes of it without quotes in a stack's file.
    ["2026-11-21 22:03:10 +0000 UTC", "2026-11-21T22:03:10.000000Z"],
    ["2026-11-21 23:03:10.5 +0100 +0100", "2026-11-21T22:03:10.500000Z"],
  ])("%s is %s", (text, instant) => {
    expect(targetTime(text, "Europe/Berlin")).toMatchObject({ instant: { text: instant } });
  });

  test("without zone is refused with both readings", () => {
    expect(targetTime("2026-11-21 22:03:10", "Europe/Berlin")).toEqual({
      problem:
        '"2026-11-21 22:03:10" has no time zone: it could be 2026-11-21T22:03:10.000000Z (in UTC), or 2026-11-21T21:03:10.000000Z ' +
        "(in Europe/Berlin, this machine's zone). Say which one",
    });
    // In summer the same clock is two hours ahead.
    expect(targetTime("2026-07-21 22:03:10", "Europe/Berlin")).toMatchObject({
      problem: expect.stringContaining("2026-07-21T20:03:10.000000Z") as string,
    });
    expect(targetTime("2026-11-21 22:03:10", "UTC")).toMatchObject({
      problem: expect.stringContaining("with Z or e.g. +01:00 at its end") as string,
    });
  });

  test.each([
    "yesterday",
    "2026-02-30T00:00:00Z",
    "2026-11-21T24:00:00Z",
    "2026-11-21T22:03:61Z",
    "2026-11-21T22:00+25:00",
    "",
  ])("%j is none", (text) => {
    expect(targetTime(text, "UTC")).toHaveProperty("problem");
  });
});

describe("a bucket", () => {
  test("is read server by server, and what is not an archive is none", () => {
    const bucket = usual().put("local/readme.txt", 1, 0).put("elsewhere/x/base/1/data.tar", 1, 0);
    bucket.backup("other", "20261121T230000", 20, [segment(1), segment(1)]);
    expect(archives(bucket.listing(), "local").map((one) => one.server)).toEqual([server, "other"]);
    expect(archives({ objects: [], texts: {}, commits: {}, unreadable: {} }, "local")).toEqual([]);
  });

  test("holds base backups with their sizes and names, and segments whatever they are compressed with", () => {
    const { backups, segments } = only(
      usual()
        .segment(server, segment(10), 16, "")
        .segment(server, segment(11), 17, ".zst")
        .segment(server, segment(12), 18, ".partial"),
    );
    expect(backups).toEqual([
      {
        id: "20261121T220000",
        name: "backup-20261121T220000",
        done: true,
        end: at(10),
        beginWal: segment(3),
        endWal: segment(4),
        timeline: 1,
        bytes: 4_001_200,
      },
    ]);
    expect([...segments.keys()].at(-1)).toBe(segment(11));
  });

  test("a base backup that failed is none", () => {
    const bucket = new Bucket().backup(server, "1", 10, [segment(1), segment(1)], { status: "FAILED" });
    expect(only(bucket).backups).toEqual([]);
  });

  test("can be recovered from the end of its first base backup to its last segment", () => {
    expect(windows(only(usual()))).toEqual([{ from: at(10), to: at(14) }]);
  });

  test("can be recovered to before its last commit, where that is known: the last segment may have been stored long after it", () => {
    const archive = only(usual().lastCommit(server, 12.5));
    expect(windows(archive)).toEqual([{ from: at(10), to: at(12.5) }]);
    const window = "It can be recovered: 2026-11-21T22:10:00Z to 2026-11-21T22:12:29Z";
    expect(problemOf(planRecovery(archive, time("2026-11-21T22:12:30Z")))).toBe(
      `2026-11-21T22:12:30.000000Z is not before the last commit that was archived (--latest has it). ${window}`,
    );
    expect(planOf(planRecovery(archive, time("2026-11-21T22:12:29.999Z"))).backup.id).toBe("20261121T220000");
    // Nothing was committed since the base backup ended.
    expect(windowWords(windows(only(usual().lastCommit(server, 9))))).toBe(
      "the base backup that ended 2026-11-21T22:10:00Z",
    );
  });

  test("has two windows where WAL is missing between two base backups", () => {
    const bucket = new Bucket()
      .backup(server, "a", 10, [segment(3), segment(3)])
      .backup(server, "b", 30, [segment(8), segment(8)]);
    for (const number of [3, 4, 5, 7, 8, 9])
      bucket.segment(server, segment(number), number === 3 ? 9 : 10 + 3 * number);
    expect(windows(only(bucket))).toEqual([
      { from: at(10), to: at(22) },
      { from: at(30), to: at(37) },
    ]);
    expect(bucketWords([only(bucket)], undefined)).toContain(`then WAL segment ${segment(6)} is missing`);
  });

  test("has none where the base backup's own WAL is missing", () => {
    const bucket = new Bucket().backup(server, "a", 10, [segment(3), segment(4)]).segment(server, segment(3), 9);
    expect(windows(only(bucket))).toEqual([]);
  });

  test("goes on over a failover, where the last segment of the old timeline is the first of the new one", () => {
    const bucket = new Bucket().backup(server, "a", 10, [segment(3), segment(3)]);
    bucket.segment(server, segment(3), 9).segment(server, segment(4), 12).segment(server, segment(5), 13, ".partial");
    bucket.history(server, 2, "1\t0/5A00028\tno recovery target specified\n", 14);
    bucket.segment(server, segment(5, 2), 15).segment(server, segment(6, 2), 16);
    const archive = only(bucket);
    expect(archive.timelines).toEqual([
      { id: 1, begins: 0 },
      { id: 2, begins: 5 },
    ]);
    expect(reach(archive, archive.backups[0]!)).toMatchObject({
      segments: [segment(3), segment(4), segment(5, 2), segment(6, 2)],
      until: at(16),
      missing: undefined,
    });
  });
});

describe("what is expected", () => {
  const drilled = {
    drill: "d",
    cluster: "c",
    database: "naytifedb",
    finished: "2026-11-21T03:04:05Z",
    passed: true,
    reason: null,
    restore: {
      fetchSeconds: 30,
      replaySeconds: 4,
      walBytes: 8 * 2 ** 24,
      walSegments: 8,
      fixedSeconds: 40,
      databaseBytes: 1.5e9,
      bytesPerSecond: 5e7,
      largestDatabaseBytes: 40e9,
    },
  };
  const archive = only(usual());
  const planned = planRecovery(archive, { kind: "latest" });
  if (!("plan" in planned)) throw new Error(planned.problem);
  const { plan } = planned;

  test("is the drill's, with as many segments as there are now", () => {
    const measured = measuredBy(drilled)!;
    expect(measured.segment).toBe(0.5);
    expect(expectedSeconds(measured, { ...plan, segments: Array<string>(100).fill(segment(3)) })).toBe(120);
    expect(expectation(measured, plan)).toBe(
      `about ${Math.ceil(70 + plan.segments.length / 2)} s until it takes connections (base backup 30 s, WAL ${Math.ceil(plan.segments.length / 2)} s), by the drill of 2026-11-21T03:04:05Z, of 1.5 GB`,
    );
    expect(bucketWords([archive], measured)).toContain(`\n  the latest   ${expectation(measured, plan)}\n`);
  });

  test("is nothing without a drill that passed and measured, and says what to run", () => {
    expect(measuredBy({ ...drilled, passed: false })).toBeUndefined();
    expect(measuredBy({ ...drilled, restore: { ...drilled.restore, fetchSeconds: null } })).toBeUndefined();
    expect(measuredBy({ ...drilled, restore: null })).toBeUndefined();
    expect(
      measuredBy({ ...drilled, restore: { ...drilled.restore, walSegments: 0, replaySeconds: null } })!.segment,
    ).toBe(0);
    expect(bucketWords([archive], undefined)).toContain("npm run drill");
  });
});

test("segments count on over log files", () => {
  const bytes = 16 * 1024 ** 2;
  expect(segmentName(1, segmentNumber("0000000100000000000000FF", bytes) + 1, bytes)).toBe("000000010000000100000000");
  expect(timelines(3, "1\t0/3000000\tx\n\n2\t1/4000000\ty\n", bytes)).toEqual([
    { id: 1, begins: 0 },
    { id: 2, begins: 3 },
    { id: 3, begins: 260 },
  ]);
});

describe("a plan", () => {
  test("begins with the newest base backup that had ended, and needs the WAL up to the time", () => {
    const bucket = usual().backup(server, "late", 13, [segment(8), segment(8)]);
    const plan = planOf(planRecovery(only(bucket), time("2026-11-21T22:11:30Z")));
    expect(plan.backup.id).toBe("20261121T220000");
    expect(plan.segments).toEqual([3, 4, 5, 6, 7].map((number) => segment(number)));
    expect(planOf(planRecovery(only(bucket), { kind: "latest" })).backup.id).toBe("late");
  });

  test("refuses a time outside of the window, and says the window", () => {
    const window = "It can be recovered: 2026-11-21T22:10:00Z to 2026-11-21T22:13:59Z";
    expect(problemOf(planRecovery(only(usual()), time("2026-11-21T22:15:00Z")))).toBe(
      `2026-11-21T22:15:00.000000Z is not before the last commit that was archived (--latest has it). ${window}`,
    );
    expect(problemOf(planRecovery(only(usual()), time("2026-11-21T22:09:59Z")))).toBe(
      `2026-11-21T22:09:59.000000Z lies before the end of the first base backup. ${window}`,
    );
  });

  test("names the missing segment, and up to when it could go", () => {
    const bucket = new Bucket().backup(server, "a", 10, [segment(3), segment(3)]);
    for (const number of [3, 4, 5, 7]) bucket.segment(server, segment(number), 7 + number);
    // Whether anything in the last segment before the gap was committed later than the one before it was stored is not known.
    const window = "It can be recovered: 2026-11-21T22:10:00Z to 2026-11-21T22:10:59Z";
    expect(problemOf(planRecovery(only(bucket), time("2026-11-21T22:12:30Z")))).toBe(
      `WAL segment ${segment(6)} is missing, which is needed for 2026-11-21T22:12:30.000000Z. ${window}`,
    );
    expect(problemOf(planRecovery(only(bucket), { kind: "latest" }))).toContain(`WAL segment ${segment(6)} is missing`);
    expect(planOf(planRecovery(only(bucket), time("2026-11-21T22:10:30Z"))).segments).toEqual([segment(3), segment(4)]);
  });

  test("names the segment that cannot be read, and why, even where it is the last; and a history", () => {
    const bucket = new Bucket().backup(server, "a", 10, [segment(3), segment(3)]);
    for (const number of [3, 4, 5, 6]) bucket.segment(server, segment(number), 7 + number);
    const whole = planOf(planRecovery(only(bucket), { kind: "latest" }));
    expect(whole.segments).toHaveLength(4);
    // In another Cluster's archive it is in nobody's way.
    bucket.backup("other", "b", 10, [segment(3), segment(3)]).segment("other", segment(6), 9);
    bucket.unreadable("other", segment(6), "it has 1 bytes, and should have 16777216");
    const own = () => archives(bucket.listing(), "local").find((one) => one.server === server)!;
    expect(planOf(planRecovery(own(), { kind: "latest" }))).toEqual(whole);
    bucket.unreadable(server, segment(6), "unexpected end of file");
    const lacks = `WAL segment ${segment(6)} cannot be read (unexpected end of file)`;
    expect(problemOf(planRecovery(own(), { kind: "latest" }))).toContain(`${lacks}, and it is not the end`);
    expect(problemOf(planRecovery(own(), time("2026-11-21T22:12:30Z")))).toContain(`${lacks}, which is needed for`);
    expect(planOf(planRecovery(own(), time("2026-11-21T22:10:30Z"))).segments).toHaveLength(2);
    expect(bucketWords([own()], undefined)).toContain(`then ${lacks}`);
    bucket.unreadable(server, "00000002.history", "not a gzip file");
    expect(problemOf(planRecovery(own(), { kind: "latest" }))).toContain("00000002.history");
  });

  test("of a named base backup ends with its own WAL, by any of its names", () => {
    for (const [name, id] of [
      ["20261121T220000", undefined],
      ["backup-20261121T220000", undefined],
      ["naytife-postgres-daily-20261121220000", "20261121T220000"],
    ] as const) {
      const plan = planOf(planRecovery(only(usual()), { kind: "backup", name }, id));
      expect(plan.segments).toEqual([segment(3), segment(4)]);
    }
    expect(problemOf(planRecovery(only(usual()), { kind: "backup", name: "x" }))).toContain(
      "there is: backup-20261121T220000",
    );
  });

  test("of an archive without base backup is none", () => {
    expect(problemOf(planRecovery(only(new Bucket().segment(server, segment(1), 1)), { kind: "latest" }))).toContain(
      "no whole base backup",
    );
  });

  test("takes a name that nobody has", () => {
    expect(freeName("naytife-postgres", [])).toBe("naytife-postgres-r1");
    expect(freeName("naytife-postgres-r1", ["naytife-postgres-r1", "naytife-postgres-r2"])).toBe("naytife-postgres-r3");
  });
});

describe("the log", () => {
  const plan: RecoveryPlan = planOf(planRecovery(only(usual()), { kind: "latest" }));
  const postgres = (message: string, severity = "LOG") =>
    JSON.stringify({ level: "info", logger: "postgres", msg: "record", record: { error_severity: severity, message } });
  const sidecar = (entry: object) => JSON.stringify({ level: "info", ...entry });
  const heard = (...lines: string[]): Progress =>
    lines.reduce((progress, line, second) => observe(progress, line, second * 1000), beginning(0));

  test("tells how far it is, how fast, and how long still", () => {
    const begun = heard(sidecar({ msg: "Target backup found", backup: { backup_id: "20261121T220000" } }));
    expect(progressLine(begun, plan, 3000)).toBe("base backup 20261121T220000: 4.0 MB to fetch and unpack, since 3 s");
    const { bytes } = plan.backup;
    const seen = (...looks: (readonly [bytes: number, at: number])[]) => ({
      ...begun,
      fetched: looks.reduce<Fetched | undefined>((before, [come, at]) => looked(before, come, at), undefined)!,
    });
    // While barman begins there is no rate to go by.
    expect(progressLine(seen([20_000, 1000], [40_000, 5000]), plan, 5000)).toContain("4.0 MB to fetch and unpack");
    expect(progressLine(seen([20_000, 1000], [1_000_000, 6000]), plan, 6000)).toContain("4.0 MB to fetch and unpack");
    expect(progressLine(seen([20_000, 1000], [1_000_000, 6000], [2_000_000, 8000]), plan, 8000)).toMatch(
      /^base backup 20261121T220000: 2\.0 MB of 4\.0 MB fetched, 500\.0 kB\/s, about 5 s left$/,
    );
    // Headers of packets count, too.
    expect(progressLine(seen([1_000_000, 1000], [bytes * 2, 2000]), plan, 2000)).toContain("about 0 s left");
    const replaying = heard(
      sidecar({ msg: "Target backup found", backup: { backup_id: "20261121T220000" } }),
      postgres("starting archive recovery"),
      postgres(`restored log file "${segment(3)}" from archive`),
      postgres(`restored log file "${segment(4)}" from archive`),
    );
    expect(progressLine(replaying, plan, 3000)).toBe(
      `WAL: 2 of at most 7 segments replayed (${segment(4)}), 1.0 a second, about 5 s left`,
    );
    const done = [
      postgres("recovery stopping before commit of transaction 741, time 2026-11-21 22:03:10.2+00"),
      postgres("last completed transaction was at log time 2026-11-21 22:03:09.8+00"),
      postgres("selected new timeline ID: 2"),
      postgres("archive recovery complete"),
    ].reduce((progress, line) => observe(progress, line, 5000), replaying);
    expect(done).toMatchObject({
      phase: "recovered",
      replayed: 2,
      lastCommit: "2026-11-21 22:03:09.8+00",
      stoppedBefore: "2026-11-21 22:03:10.2+00",
      timeline: 2,
      complaints: [],
    });
  });

  test("what came over the network is all but the pod's own", () => {
    const table = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 7000 10 0 0 0 0 0 0 7000 10 0 0 0 0 0 0
  eth0: 1200 8 0 0 0 0 0 0 300 4 0 0 0 0 0 0
  eth1:34 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0
`;
    expect(receivedBytes(table)).toBe(1234);
    expect(receivedBytes("")).toBe(0);
  });

  test("survives lines that are no log", () => {
    expect(heard("", "{", "null", "[]", "plain").phase).toBe("starting");
  });

  test.each<[string, string[], string | RegExp, boolean]>([
    [
      "a missing segment, and up to when it could go",
      [
        sidecar({ msg: "WAL file not found in the recovery object store", walName: "00000002.history" }),
        sidecar({ msg: "WAL file not found in the recovery object store", walName: segment(5) }),
        postgres("last completed transaction was at log time 2026-11-21 22:11:02.5+00"),
        postgres("recovery ended before configured recovery target was reached", "FATAL"),
      ],
      `WAL segment ${segment(5)} is missing in the archive: recovery ended before the target, with the commit of 2026-11-21 22:11:02.5+00`,
      true,
    ],
    [
      "a time after the last commit",
      [
        sidecar({ msg: "WAL file not found in the recovery object store", walName: segment(10) }),
        postgres("last completed transaction was at log time 2026-11-21 22:13:59.5+00"),
        postgres("recovery ended before configured recovery target was reached", "FATAL"),
      ],
      "the archive has no commit that is later than the target: it ends with the commit of 2026-11-21 22:13:59.5+00",
      true,
    ],
    [
      "the base backup's first segment",
      [
        sidecar({
          level: "error",
          msg: "restore error",
          error: "encountered an error while checking the presence of first needed WAL in the archive: x",
        }),
      ],
      `WAL segment ${segment(3)} is missing in the archive, or damaged, without which base backup 20261121T220000 is not consistent`,
      true,
    ],
    [
      "wrong credentials",
      [
        sidecar({
          logger: "barman-cloud-restore",
          msg: "ERROR: An error occurred (403) when calling the HeadBucket operation: Forbidden",
        }),
      ],
      "the store refuses the credentials",
      true,
    ],
    [
      "a damaged base backup",
      [
        sidecar({
          logger: "barman-cloud-restore",
          msg: "ERROR: Barman cloud restore exception: unexpected end of data",
        }),
        sidecar({ level: "error", msg: "Can't restore backup", error: "General error (exit code 4)" }),
        sidecar({ level: "error", msg: "While terminating server" }),
      ],
      /^base backup 20261121T220000 \(2026-11-21T22:10:00Z\) is damaged or not whole: .*unexpected end of data$/,
      true,
    ],
    [
      "a WAL segment that is cut off",
      [
        postgres(`archive file "${segment(5)}" has wrong size: 8388608 instead of 16777216`, "FATAL"),
        sidecar({ level: "error", msg: "While terminating server" }),
      ],
      `a WAL segment is damaged: archive file "${segment(5)}" has wrong size: 8388608 instead of 16777216`,
      true,
    ],
    [
      "another cluster's archive",
      [
        sidecar({
          level: "error",
          msg: "x",
          error: "unexpected failure invoking barman-cloud-wal-archive: Expected empty archive",
        }),
      ],
      /holds an archive under the new cluster's name/,
      true,
    ],
    [
      "a store that is away for a while",
      [sidecar({ msg: "ERROR: Could not connect to the endpoint URL" })],
      /cannot be reached/,
      false,
    ],
    [
      "what nobody thought of",
      [sidecar({ level: "error", msg: "the moon", error: "is full" })],
      "the moon: is full",
      false,
    ],
    ["nothing at all", [], "it ended without a word", false],
  ])("says what went wrong: %s", (_name, lines, what, final) => {
    const cause = causeOf(heard(...lines), plan);
    expect(cause.final).toBe(final);
    if (typeof what === "string") expect(cause.what).toBe(what);
    else expect(cause.what).toMatch(what);
  });

  test("shows that the recovery ended where it was to end", () => {
    const progress: Progress = {
      ...beginning(0),
      segment: segment(9),
      lastCommit: "2026-11-21 22:11:00.1+00",
      stoppedBefore: "2026-11-21 22:11:01+00",
    };
    const passed = (target: Target, seen: Progress) => endedWhereAsked(target, plan, seen).map((check) => check.passed);
    expect(passed(time("2026-11-21T22:11:00.5Z"), progress)).toEqual([true, true]);
    expect(passed(time("2026-11-21T22:11:00Z"), progress)).toEqual([false, true]);
    expect(passed(time("2026-11-21T22:11:00.5Z"), { ...progress, stoppedBefore: undefined as never })).toEqual([
      true,
      false,
    ]);
    expect(passed({ kind: "latest" }, progress)).toEqual([true]);
    expect(passed({ kind: "latest" }, { ...progress, segment: segment(8) })).toEqual([false]);
    // The same place on the base backup's timeline, while the archive goes on on the next one.
    const failedOver = { ...plan, segments: [...plan.segments.slice(0, -1), segment(9, 2)] };
    expect(endedWhereAsked({ kind: "latest" }, failedOver, progress)[0]!.passed).toBe(false);
    const alone: Target = { kind: "backup", name: "20261121T220000" };
    expect(passed(alone, progress)).toEqual([false]);
    expect(passed(alone, heard(postgres("recovery stopping after reaching consistency")))).toEqual([true]);
    const contents = {
      timeline: 2,
      postgresql: "17.6",
      tables: [],
      indexes: { checked: 3, damaged: ["a: b"] },
      canary: "2026-11-21T22:11:02Z",
    };
    expect(soundContents(time("2026-11-21T22:11:01Z"), contents).map((check) => check.passed)).toEqual([false, false]);
  });
});

describe("the recovering Cluster", () => {
  const values = (config: Record<string, string> = {}) => {
    const texts = stackConfiguration("production", {
      backupStore: "existing",
      backupEndpointUrl: "https://s3.example.com",
      ...config,
    });
    return validate(
      project.name,
      (key) => texts[`${project.name}:${key}`],
      () => false,
    );
  };
  const recovery = (target: Target) => {
    const plan = planOf(planRecovery(only(usual()), target));
    const end = recoveryTarget(target, plan.backup);
    const spec = specOfStack(values(), "cnpg-cluster-secret");
    return recoveringCluster({
      name: "naytife-postgres-r1",
      namespace: "naytife",
      spec: {
        ...spec,
        plugins: [{ name: "another" }, { name: "barman-cloud.cloudnative-pg.io", parameters: { serverName: server } }],
      },
      source: {
        objectStore: "naytife-postgres-backups",
        serverName: server,
        ...(end === undefined ? {} : { target: end }),
      },
      database: databaseOf(spec, { database: "x", owner: "x", secret: "x" }),
      annotations: {},
    });
  };

  test.each<[string, Target]>([
    ["the latest", { kind: "latest" }],
    ["a time", time("2026-11-21T22:11:30Z")],
    ["a base backup", { kind: "backup", name: "20261121T220000" }],
  ])("to %s is one that the operator takes", async (_name, target) => {
    expect((await cnpgSchema("clusters"))(recovery(target))).toEqual([]);
  });

  test("is the former one but for what it begins with, and archives for itself", () => {
    const { spec } = recovery(time("2026-11-21T22:11:30Z"));
    expect(spec).toMatchObject({
      instances: 3,
      storage: { size: "100Gi", storageClass: "cnpg-oci-storage" },
      postgresql: { synchronous: { number: 1, dataDurability: "required" } },
      bootstrap: {
        recovery: {
          source: "origin",
          database: "naytifedb",
          owner: "naytife",
          secret: { name: "cnpg-cluster-secret" },
          recoveryTarget: { targetTime: "2026-11-21T22:11:30.000000Z" },
        },
      },
      externalClusters: [{ name: "origin", plugin: { parameters: { serverName: server } } }],
      plugins: [
        { name: "another" },
        {
          isWALArchiver: true,
          parameters: { barmanObjectName: "naytife-postgres-backups", serverName: "naytife-postgres-r1" },
        },
      ],
    });
    expect(spec).not.toHaveProperty("bootstrap.initdb");
  });

  test("by stack configuration begins with the same", () => {
    expect(recoverySource(values({ clusterName: "naytife-postgres-r1", recoverFrom: server }))).toEqual({
      objectStore: "naytife-postgres-backups",
      serverName: server,
    });
    const at = values({
      clusterName: "naytife-postgres-r1",
      recoverFrom: server,
      recoverAt: "2026-11-21 23:03:10 +0100 +0100",
    });
    expect(recoverySource(at)?.target).toEqual({ targetTime: "2026-11-21T22:03:10.000000Z" });
    expect(recoverySource(values())).toBeUndefined();
    expect(() => values({ recoverFrom: server })).toThrow("another archive than the Cluster's own");
    expect(() => values({ recoverAt: "2026-11-21T22:11:30Z" })).toThrow("only together with recoverFrom");
    expect(() => values({ clusterName: "r1", recoverFrom: server, recoverAt: "2026-11-21T22:11:30" })).toThrow(
      "date, time and zone",
    );
    expect(recoverySettings(values({ clusterName: "r1" })).serverName).toBe("r1");
  });
});

describe("listing the bucket", () => {
  const store: ObjectStore = {
    metadata: { name: "naytife-postgres-backups" },
    spec: {
      configuration: {
        destinationPath: "s3://backups/local/",
        endpointURL: "http://store:7070",
        s3Credentials: {
          accessKeyId: { name: "cnpg-backup-secret", key: "ACCESS_KEY_ID" },
          secretAccessKey: { name: "cnpg-backup-secret", key: "ACCESS_SECRET_KEY" },
        },
      },
      instanceSidecarConfiguration: { env: [{ name: "AWS_DEFAULT_REGION", value: "r" }] },
    },
  };
  // Whatever was said before, a warning of a library for example, is not the answer.
  const packed = (answer: object) => `Warning!\nbegin\n${gzipSync(JSON.stringify(answer)).toString("base64")}\nend\n`;

  test("takes the credentials from their Secret", () => {
    const [container] = listingPod("x", store, { image: "sidecar:1", seconds: 60 }, "print()").spec!.containers;
    expect(container!.env).toContainEqual({
      name: "AWS_SECRET_ACCESS_KEY",
      valueFrom: { secretKeyRef: { name: "cnpg-backup-secret", key: "ACCESS_SECRET_KEY" } },
    });
    expect(container!.env).toContainEqual({ name: "AWS_DEFAULT_REGION", value: "r" });
    expect(prefixOf("s3://backups/local/")).toBe("local");
    expect(prefixOf("s3://backups")).toBe("");
  });

  test("reads the answer, and throws what the store refused", () => {
    const unreadable = { "a/wals/b": "why" };
    expect(
      answerOf(packed({ objects: [["a/b", 3, 1.5]], texts: {}, commits: { "a/wals": 1.25 }, unreadable })),
    ).toEqual({
      objects: [{ key: "a/b", bytes: 3, stored: 1500 }],
      texts: {},
      commits: { "a/wals": 1250 },
      unreadable,
    });
    expect(() => answerOf(packed({ error: "NoSuchBucket", message: "gone" }))).toThrow(
      new StoreUnavailable("NoSuchBucket: gone"),
    );
    expect(() => answerOf("H4sI")).toThrow("broke off");
  });
});

test("the Secret turns to another Cluster's primary with the same role and database", () => {
  expect(
    turned(
      { username: "naytife", password: "p@ss", database: "naytifedb", DATABASE_URL: "x" },
      "naytife-postgres-r1",
      "naytife",
    ),
  ).toEqual({
    DATABASE_URL_DIRECT:
      "postgresql://naytife:p%40ss@naytife-postgres-r1-rw.naytife.svc:5432/naytifedb?sslmode=require",
  });
});

describe("a promoted Cluster", () => {
  const recovered = (name: string, annotations: Record<string, string>, serverName = name): Cluster => ({
    metadata: { name, annotations },
    spec: { plugins: [{ name: "barman-cloud.cloudnative-pg.io", parameters: { serverName } }] },
  });
  const r1 = recovered("naytife-postgres-r1", {
    "naytife.com/recovered-from": server,
    "naytife.com/promoted": "2026-11-22T03:10:00.000Z",
  });
  const values = {
    clusterName: server,
    backupServerName: "",
    recoverFrom: "",
    recoverAt: "",
    protect: true,
    retainOnDelete: true,
  };

  test("is the one that was promoted last", () => {
    expect(promoted([recovered(server, {})])).toBeUndefined();
    const again = recovered(server, { "naytife.com/promoted": "2026-11-22T04:00:00.000Z" });
    expect(promoted([again, r1])).toEqual({ cluster: again, since: "2026-11-22T04:00:00.000Z" });
  });

  test("is said in the stack's configuration, completely and in order", () => {
    expect(takeOver("production", values, r1)).toEqual([
      "pulumi config set clusterName naytife-postgres-r1 --stack production",
      "pulumi config set recoverFrom naytife-postgres --stack production",
      "pulumi state unprotect 'urn:pulumi:production::naytife-postgres::naytife:postgres:Cluster$kubernetes:postgresql.cnpg.io/v1:Cluster::naytife-postgres' --stack production --yes",
      "pulumi up --refresh --stack production",
    ]);
    expect(takeOver("production", { ...values, clusterName: "naytife-postgres-r1" }, r1)).toEqual([]);
  });

  test("that is the first one again leaves nothing of the other in the configuration", () => {
    const later = {
      ...values,
      clusterName: "naytife-postgres-r1",
      recoverFrom: server,
      recoverAt: "2026-11-21T22:11:30Z",
      protect: false,
    };
    expect(takeOver("staging", later, recovered(server, {}, "shop"))).toEqual([
      "pulumi config set clusterName naytife-postgres --stack staging",
      "pulumi config set backupServerName shop --stack staging",
      "pulumi config rm recoverFrom --stack staging",
      "pulumi config rm recoverAt --stack staging",
      "pulumi up --refresh --stack staging",
    ]);
  });

  test("is said to each `npm run local` too, which forgets its settings", () => {
    expect(everyLocalRun("local", { ...values, recoverAt: "2026-11-21T22:11:30Z" }, r1)).toEqual([
      expect.stringMatching(
        / npm run local -- --config clusterName=naytife-postgres-r1 --config recoverFrom=naytife-postgres --config recoverAt=$/,
      ),
    ]);
    expect(everyLocalRun("staging", values, r1)).toEqual([]);
    expect(everyLocalRun("local", { ...values, clusterName: "naytife-postgres-r1" }, r1)).toEqual([]);
  });
});

describe("a recovery that the stack's configuration asks for", () => {
  const configured: ConfiguredRecovery = {
    stack: "production",
    cluster: "naytife-postgres-r1",
    serverName: "naytife-postgres-r1",
    from: server,
    at: "",
    listing: { image: "sidecar", seconds: 60 },
  };
  const place = "s3://backups/local";
  const begin = (changed: Partial<ConfiguredRecovery>, bucket = usual()) =>
    refusalToBegin({ ...configured, ...changed }, place, archives(bucket.listing(), "local"))?.message;

  test("begins where the archive has what it asks for, and the Cluster's own folder is free", () => {
    expect(begin({})).toBeUndefined();
    expect(begin({ at: "2026-11-21T22:11:30Z" })).toBeUndefined();
    expect(begin({ at: "2026-11-21T23:11:30+01:00" })).toBeUndefined();
  });

  test("is refused at a time that the archive does not reach, which the operator would try for ever", () => {
    const window = "It can be recovered: 2026-11-21T22:10:00Z to 2026-11-21T22:13:59Z";
    const late = begin({ at: "2026-11-21T22:15:00Z" });
    expect(late).toContain(`recoverAt: 2026-11-21T22:15:00.000000Z is not before the last commit that was archived`);
    expect(late).toContain(window);
    expect(late).toContain("Untouched: The Cluster was not made, and the bucket is as it was.");
    expect(late).toContain("--stack production");
    expect(begin({ at: "2026-11-21T21:00:00Z" })).toContain("lies before the end of the first base backup");
  });

  test("is refused of an archive that is not there, and says which are", () => {
    expect(begin({ from: "shop" })).toContain(
      "recoverFrom is shop, and s3://backups/local holds no archive of that name; it holds naytife-postgres",
    );
    expect(begin({}, new Bucket())).toContain("it holds none");
  });

  test("is refused where the Cluster had an archive of its own, which is later than what it would begin with; all problems at once", () => {
    const lost = usual().segment("naytife-postgres-r1", segment(9), 14);
    const message = begin({ at: "2026-11-21T22:15:00Z" }, lost);
    expect(message).toContain("2 problems in the way");
    expect(message).toContain("s3://backups/local holds an archive naytife-postgres-r1 already");
    expect(message).toContain("clusterName naytife-postgres-r2, recoverFrom naytife-postgres-r1");
  });

  const objects = (cluster: object | undefined, store?: object) =>
    ({
      cluster: () => Promise.resolve(cluster),
      objectStore: () => Promise.resolve(store),
    }) as unknown as Objects;

  test("is not asked about where the Cluster is there, and cannot be known without an ObjectStore", async () => {
    expect(await refusalOf(objects({}), configured)).toBeUndefined();
    await expect(refusalOf(objects(undefined), configured)).rejects.toThrow(StoreUnavailable);
  });

  test("is what the configuration says", () => {
    const from = { recoverFrom: server, clusterName: "naytife-postgres-r1", backupStore: "local" };
    const values = valuesOf("local", { kubeconfig: "/a/file", kubeContext: "a", ...from });
    expect(configuredRecovery(values, "local")).toMatchObject({ from: server, at: "", cluster: "naytife-postgres-r1" });
    expect(configuredRecovery({ ...values, recoverFrom: "" }, "local")).toBeUndefined();
  });

  test("is looked for anew when all was lost or when it asks for something else", async () => {
    const triggers = async (objectStore: string, changed: Partial<ConfiguredRecovery>, deadline = 60) => {
      const recovery = { ...configured, ...changed };
      const recording = await record(
        () => new RecoverySourceCheck("source", { objectStore, recovery, deadline, settings: exampleSettings }),
      );
      return recording.get("command:local:Command").inputs.triggers;
    };
    const first = await triggers("uid", {});
    expect(await triggers("uid", {}, 90)).toEqual(first);
    for (const other of [
      await triggers("another", {}),
      await triggers("uid", { at: "2026-11-21T22:11:30Z" }),
      await triggers("uid", { from: "shop" }),
      await triggers("uid", { cluster: "naytife-postgres-r2" }),
    ]) {
      expect(other).not.toEqual(first);
    }
  });
});

describe("another folder for the archive of a Cluster that is there", () => {
  const listing = { image: "sidecar", seconds: 60 };
  const moving: MovingCluster = {
    stack: "production",
    cluster: server,
    from: server,
    to: { serverName: "shop", destinationPath: "s3://backups/local", listing },
  };
  const stored = (bucket: Bucket) => archives(bucket.listing(), "local");

  test("is refused where another one's archive lies, and where any does: what lies there, what was not touched, and what to do", () => {
    const held = usual()
      .backup("shop", "20261120T220000", 1, [segment(1), segment(1)])
      .segment("shop", segment(1), 1);
    const message = refusalToMix(moving, stored(held))?.message;
    expect(message).toContain(
      "s3://backups/local/shop holds an archive already (1 base backups, 1 WAL segments), among which Cluster naytife-postgres would write its own",
    );
    expect(message).toContain("Untouched: Nothing was changed.");
    expect(message).toContain("pulumi config rm backupServerName --stack production");
    expect(message).toContain("these are not: naytife-postgres, shop.");
    const wal = new Bucket().segment("shop", segment(1), 1);
    expect(refusalToMix({ ...moving, from: "former" }, stored(wal))?.message).toMatch(
      /\(0 base backups, 1 WAL segments\)[\s\S]*pulumi config set backupServerName former --stack production/,
    );
    expect(refusalToMix({ ...moving, from: undefined }, stored(wal))?.message).toMatch(
      /it has not archived until now[\s\S]*pulumi config set backupStore none --stack production/,
    );
  });

  test("is taken where it is free", () => {
    expect(refusalToMix(moving, stored(usual()))).toBeUndefined();
    expect(refusalToMix(moving, [])).toBeUndefined();
  });

  test("is looked at only where the archive moves, and refused where nobody can look", async () => {
    const parameters = { barmanObjectName: "store", serverName: server };
    const living = (plugins: object[]) =>
      ({
        cluster: () => Promise.resolve({ metadata: { name: server }, spec: { plugins } }),
        objectStore: () => Promise.resolve(undefined),
      }) as unknown as Objects;
    const archiving = living([{ name: "barman-cloud.cloudnative-pg.io", parameters }]);
    const { to } = moving;
    expect(await refusalToMove(archiving, "production", server, { ...to, serverName: server })).toBeUndefined();
    // Its store is made by the update.
    expect(await refusalToMove(living([]), "production", server, to)).toBeUndefined();
    expect((await refusalToMove(archiving, "production", server, to))?.message).toMatch(
      /whether s3:\/\/backups\/local\/shop is free .* is not known \(it archives into naytife-postgres until now\): its ObjectStore is not there\n/,
    );
  });
});

test("a report says whether it is what was asked for", () => {
  const report: RecoveryReport = {
    cluster: "naytife-postgres-r1",
    namespace: "naytife",
    from: server,
    target: "2026-11-21T22:11:30.000000Z",
    began: "2026-11-21T22:20:00.000Z",
    baseBackup: { id: "20261121T220000", end: "2026-11-21T22:10:00Z", bytes: 4_000_000 },
    segments: 5,
    lastCommit: "2026-11-21 22:11:29+00",
    contents: { timeline: 2, postgresql: "17.6", tables: [{ table: "a.b", rows: 3 }], indexes: null, canary: null },
    checks: [{ check: "the target was reached", passed: true, detail: "it stopped" }],
    seconds: { preflight: 5, baseBackup: 10, replay: 4, firstInstance: 30, allInstances: 60, verification: 2 },
  };
  expect(sound(report)).toBe(true);
  expect(renderReport(report)).toContain("3 rows in 1 tables");
  const failed = { ...report, checks: [{ check: "x", passed: false, detail: "y" }] };
  expect(sound(failed)).toBe(false);
  expect(renderReport(failed)).toMatch(/^NOT AS ASKED/);
});

describe("the command line", () => {
  test("recovers to the latest unless it is told otherwise", () => {
    expect(invocation(["--stack", "production", "--context", "c"])).toEqual({
      verb: "recover",
      stack: { stack: "production", name: "local", context: "c", config: {} },
      options: { json: false, yes: false, stack: "production", stackArguments: ["--context", "c"] },
      request: { at: undefined, backup: undefined, as: undefined, from: undefined },
    });
    expect(invocation(["promote", "--as", "r1", "--yes"])).toMatchObject({
      verb: "promote",
      as: "r1",
      options: { yes: true },
    });
    expect(invocation(["--help"])).toBeUndefined();
  });

  test.each([
    [["--at", "x", "--latest"], "--at and --latest are given"],
    [["--at", "x", "--backup", "y"], "allowed: one of them"],
    [["promote"], "--as NAME"],
    [["undo"], 'no command "undo"'],
    [["recover"], 'no command "recover"'],
    [["window", "x"], "one command"],
    [["--config", "x"], "KEY=VALUE"],
  ])("%j is not understood", (args, message) => {
    expect(() => invocation(args)).toThrow(UsageError);
    expect(() => invocation(args)).toThrow(message);
  });

  test("a time without zone is no target", () => {
    const problems: string[] = [];
    expect(targetOf({ at: "2026-11-21 22:00:00", backup: undefined }, (one) => problems.push(one))).toBeUndefined();
    expect(problems[0]).toContain("has no time zone");
  });
});
