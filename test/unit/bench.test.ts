import { asked } from "../../bench/main";
import { missing } from "../../bench/migration/benchmark";
import { readLog } from "../../bench/migration/errand";
import { production } from "../../bench/migration/ground";
import { parityOf } from "../../bench/migration/parity";
import { render } from "../../bench/migration/render";
import type { Measurement, Outcome, Results, WayName } from "../../bench/migration/results";
import { saidAt } from "../../bench/migration/ways/import";
import { median, orderOf, summary } from "../../bench/statistics";

const equal = { equal: true, tables: 2, rows: 10, differing: [] };

function outcome(way: WayName, run: number, measurement: Partial<Measurement> | undefined, failure?: string): Outcome {
  const whole = {
    cluster: 10,
    parts: { moved: 4 },
    copyAndIndex: 4,
    verified: 5,
    safe: 6,
    parity: equal,
    complaints: [],
  };
  return {
    shape: "dominant",
    way,
    run,
    place: 1,
    ...(measurement === undefined ? {} : { measurement: { ...whole, ...measurement } }),
    ...(failure === undefined ? {} : { failure }),
    seconds: 60,
  };
}

const results: Results = {
  began: "2026-11-21T19:00:00Z",
  ended: "2026-11-21T20:00:00Z",
  command: "migration --size 50MB",
  commit: "abc1234",
  machine: { cores: 2, processor: "a processor", memoryBytes: 8e9, system: "Linux 6" },
  versions: { "PostgreSQL, source": "15.20", "PostgreSQL, target": "17.10" },
  sizes: { dominant: "50MB" },
  ways: ["ours", "pipe", "parallel", "import", "ceiling"],
  runs: 3,
  instances: 3,
  jobs: 2,
  backups: false,
  instance: { memory: "2Gi", cpu: "2", parameters: {} },
  absent: [{ way: "pgcopydb", why: "not here: no pgcopydb on PATH (Debian has a package)" }],
  shapes: [{ shape: "dominant", description: "One table.", tables: 2, tableBytes: 40e6, indexes: 4, indexBytes: 10e6 }],
  outcomes: [],
};

const row = (page: string, way: string) => page.split("\n").find((line) => line.startsWith(`| ${way} |`));

describe("statistics", () => {
  test("the median is the middle, or the mean of both middles", () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(() => median([])).toThrow("nothing");
  });

  test("a summary has the spread, and none is made of nothing", () => {
    expect(summary([3, 1, 10])).toEqual({ count: 3, median: 3, least: 1, most: 10 });
    expect(summary([])).toBeUndefined();
  });

  test("each way comes first once before one does again", () => {
    expect([1, 2, 3, 4].map((run) => orderOf(["a", "b", "c"], run).join(""))).toEqual(["abc", "bca", "cab", "abc"]);
  });
});

test("what is missing: each shape to its end, each run's ways in another order, nothing twice", () => {
  const wanted = { sizes: { many: "10MB", toast: "10MB" }, ways: ["ours", "pipe"], runs: 2 } as const;
  const all = missing({ ...wanted, outcomes: [] });
  expect(all.map(({ shape, run, way, place }) => `${shape} ${run} ${way} ${place}`)).toEqual([
    "many 1 ours 1",
    "many 1 pipe 2",
    "many 2 pipe 1",
    "many 2 ours 2",
    "toast 1 ours 1",
    "toast 1 pipe 2",
    "toast 2 pipe 1",
    "toast 2 ours 2",
  ]);
  const done = all.slice(0, 3).map((one) => ({ ...one, seconds: 1 }));
  expect(missing({ ...wanted, outcomes: done })).toEqual(all.slice(3));
});

describe("parity", () => {
  const fact = (side: string, name: string, rows: number, ...sums: string[]) =>
    `fact ${side} ${JSON.stringify({ bytes: 1, kind: "table", name, rows, sums })}`;

  test("pieces of a table are added up, however they are cut, beyond what a double holds", () => {
    const log = [
      fact("source", "t", 3, "9223372036854775807000", "1"),
      fact("target", "t", 1, "9223372036854775806999", "3"),
      fact("target", "t", 2, "1", "-2"),
    ];
    expect(parityOf(log.join("\n"))).toEqual({ equal: true, tables: 1, rows: 3, differing: [] });
  });

  test("a last digit, a missing table, a table too many and a missing row are told", () => {
    const log = [
      fact("source", "changed", 3, "9223372036854775807000"),
      fact("target", "changed", 3, "9223372036854775807001"),
      fact("source", "gone", 1, "5"),
      fact("target", "new", 1, "5"),
      fact("source", "short", 2, "5"),
      fact("target", "short", 1, "5"),
    ];
    const { equal, differing } = parityOf(log.join("\n"));
    expect(equal).toBe(false);
    expect(differing).toEqual([
      "table changed: other contents",
      "table gone: missing",
      "table new: not on the source",
      "table short: 1 instead of 2",
    ]);
  });

  test("nothing read is not equal", () => {
    expect(parityOf("at begun 1.0").equal).toBe(false);
  });
});

test("a script's log is read: what each step took, when it ended, what it complained of", () => {
  const log = ["at begun 100.5", "noise", "at moved 103.75", "at analyzed 104.0", "complaint ERROR: no role"].join(
    "\n",
  );
  expect(readLog(log)).toMatchObject({
    parts: { moved: 3.25, analyzed: 0.25 },
    ended: 104_000,
    complaints: ["ERROR: no role"],
  });
});

test("the operator's log says when it did what", () => {
  const log =
    '{"level":"info","ts":"2026-11-21T19:00:01.5Z","msg":"exporting database"}\n{"ts":"x","msg":"running analyze"}';
  expect(saidAt(log, "exporting database")).toBe(Date.parse("2026-11-21T19:00:01.5Z") / 1000);
  expect(saidAt(log, "running analyze")).toBeUndefined();
});

describe("the page", () => {
  test("has median, spread and both ratios of each way", () => {
    const outcomes = [
      ...[30, 20, 25].map((safe, index) => outcome("pipe", index + 1, { safe, copyAndIndex: 8, cluster: 100 })),
      ...[10, 5, 7.5].map((safe, index) => outcome("ours", index + 1, { safe })),
      outcome("ceiling", 1, { copyAndIndex: 4 }),
    ];
    const page = render({ ...results, backups: true, outcomes });
    expect(row(page, "**ours**")).toBe(
      "| **ours** | 3 | 4.0 (4.0–4.0) | 1.00 | 5.0 (5.0–5.0) | 7.5 (5.0–10.0) | 0.30 | 17.5 (15.0–20.0) | 0.14 |",
    );
    expect(row(page, "dominant")).toContain("0.30, met");
    expect(page).toContain("None: no goal was missed");
    expect(page).toContain("- pgcopydb: not here: no pgcopydb on PATH");
  });

  test("tells a missed goal, a faster peer, a failure and a copy that is not equal, and counts none of the last two", () => {
    const unequal = { equal: false, tables: 2, rows: 10, differing: ["table a: missing"] };
    const outcomes = [
      outcome("ours", 1, { safe: 20, copyAndIndex: 9 }),
      outcome("pipe", 1, { safe: 30 }),
      outcome("parallel", 1, { safe: 10 }),
      outcome("parallel", 2, { safe: 1, parity: unequal, complaints: ["ERROR: role | x"] }),
      outcome("import", 1, undefined, "it failed"),
      outcome("ceiling", 1, { copyAndIndex: 4 }),
    ];
    expect(row(render({ ...results, outcomes }), "dominant")).toContain("| 0.67 | 0.75 |");
    const page = render({ ...results, backups: true, runs: 2, outcomes });
    expect(row(page, "dominant")).toContain("0.67, **missed**");
    expect(page).toContain("dominant: the goal for the time to safe, a third of the plan's way, is missed: 0.67.");
    expect(page).toContain("1.15 × the ceiling, is missed: 2.25.");
    expect(page).toContain(
      "- dominant, time to safe: `pg_dump -Fd -j`, `pg_restore -j` is faster; ours takes 2.00 times as long.",
    );
    expect(row(page, "`pg_dump -Fd -j`, `pg_restore -j`")).toMatch(/\| 1 \|/);
    expect(page).toContain(
      "**not equal**, 1 differences: table a: missing. It reported 1 errors, the first: ERROR: role \\| x",
    );
    expect(page).toContain("CNPG's `initdb.import`: failed: it failed");
    expect(page).toContain("there are 2, so the spread says little");
  });

  test("says whether targets were archived and backed up", () => {
    expect(render(results)).toContain("No archive of WAL and no backup");
    const page = render({ ...results, backups: true });
    expect(page).toContain("and a base backup and all WAL lie in the store. Every way's");
    expect(page).not.toContain("No archive of WAL");
    expect(page).not.toContain("disks, a network between source and target, archiving");
  });

  test("is the same for the same results", () => {
    expect(render(results)).toBe(render(structuredClone(results)));
  });
});

test("the target is production's, with what one machine has not", () => {
  const cluster = { kubeconfig: "/a/file", context: "a", postgresImage: "ghcr.io/cloudnative-pg/postgresql:17" };
  expect(production(cluster, "bench-dominant", 3, 2, 4, false)).toMatchObject({
    namespace: "bench-dominant",
    instances: 3,
    migrationJobs: 2,
    memory: "2Gi",
    cpuLimit: "4",
    synchronousReplicas: 0,
    storageClass: "cnpg-local-storage",
    backupStore: "none",
  });
  expect(production(cluster, "bench-dominant", 3, 2, 4, true)).toMatchObject({ backupStore: "local" });
});

describe("the command line", () => {
  const now = new Date("2026-11-21T19:00:00Z");

  test("has the defaults of the issue", () => {
    const said = asked(["migration"], now);
    expect(said).toMatchObject({ command: "migration", options: { runs: 3, instances: 3, jobs: 2 } });
    expect(said.command === "migration" && Object.values(said.options.sizes)).toEqual(Array(5).fill("250MB"));
  });

  test("targets are backed up where that is asked for", () => {
    expect(asked(["migration"], now)).toMatchObject({ options: { backups: false } });
    expect(asked(["migration", "--backups"], now)).toMatchObject({ options: { backups: true } });
  });

  test("a shape may have a size of its own", () => {
    const said = asked(["migration", "--size", "200MB", "--shape", "dominant=1GB,many"], now);
    expect(said).toMatchObject({ options: { sizes: { dominant: "1GB", many: "200MB" } } });
  });

  test.each([
    [["migration", "--shape", "round"], "--shape"],
    [["migration", "--ways", "ours,walk"], '"walk"'],
    [["migration", "--shape", "many=much"], "not a size"],
    [["migration", "--runs", "0"], "--runs"],
    [["migration", "--size", "much"], "not a size"],
    [["walk"], "one command"],
    [["migration", "--speed", "9"], "speed"],
  ])("refuses %j", (args, words) => {
    expect(() => asked(args, now)).toThrow(words);
  });
});
