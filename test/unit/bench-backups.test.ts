import { cpuSeconds, meanBytes, storedBytes } from "../../bench/backups/measure";
import { configuredIn, segmentCount } from "../../bench/backups/ground";
import { forSeconds, makePart, oldestCommit, resized, untilWritten } from "../../bench/backups/load";
import { missing, nameOf, parallels, type Task, type Turn, turns, type Wanted } from "../../bench/backups/plan";
import { render } from "../../bench/backups/render";
import type { Outcome, Results } from "../../bench/backups/results";
import { asked, pageOf } from "../../bench/main";
import { readSteps } from "../../bench/steps";
import { valuesOf } from "../../local/stack-values";

const configured = { compression: "gzip", jobs: 2, walCompression: "gzip", walMaxParallel: 4 };
const wanted: Wanted = { sizes: ["5GB", "100MB", "1GB"], runs: 3, configured, absent: [], broken: [] };

describe("the plan", () => {
  const all = turns(wanted);
  const of = (run: number, kind: Task["kind"]) => all.filter((turn) => turn.run === run && turn.kind === kind);

  test.each(["archive", "fetch"] as const)(
    "has every compression with every number at once in the first run, later what differs from the stack in one thing: %s",
    (kind) => {
      const cells = (run: number) =>
        all.flatMap((turn) =>
          turn.kind === kind && turn.way === "plugin" && turn.run === run
            ? [`${turn.compression} ${turn.parallel}`]
            : [],
        );
      expect(new Set(cells(1)).size).toBe(5 * 4);
      expect(new Set(cells(2))).toEqual(
        new Set(["gzip 1", "gzip 2", "gzip 4", "gzip 8", "lz4 4", "snappy 4", "zstd 4", "none 4"]),
      );
      expect(cells(3)).toHaveLength(8);
    },
  );

  test("fetches and weighs a compression before the next one is archived", () => {
    const order = all.flatMap((turn) =>
      turn.run === 1 && ["archive", "fetch", "stored"].includes(turn.kind) && "compression" in turn
        ? [turn.compression]
        : [],
    );
    expect(order.filter((one, index) => one !== order[index - 1])).toEqual(["gzip", "lz4", "snappy", "zstd", "none"]);
  });

  test("has a peer by hand in each run", () => {
    for (const run of [1, 2, 3]) {
      for (const kind of ["archive", "fetch", "base", "restore"] as const) {
        expect(of(run, kind).some((turn) => "way" in turn && turn.way === "hand")).toBe(true);
      }
    }
  });

  test("grows in one run and shrinks in the next, compares compressions at 1 GB, and has what is bigger once", () => {
    const sizes = (run: number) => [...new Set(of(run, "restore").map((turn) => ("size" in turn ? turn.size : "")))];
    expect([1, 2, 3].map(sizes)).toEqual([
      ["100MB", "1GB", "5GB"],
      ["1GB", "100MB"],
      ["100MB", "1GB"],
    ]);
    const bases = of(2, "base").map((turn) => nameOf(turn));
    expect(bases.filter((name) => name.includes("1GB"))).toHaveLength(8);
    expect(bases.filter((name) => name.includes("100MB"))).toEqual([
      "run 2, base backup by hand, gzip, 100MB",
      "run 2, base backup, gzip, 100MB",
    ]);
  });

  test("restores right after the base backup that the stack would make", () => {
    for (const [place, turn] of all.entries()) {
      if (turn.kind !== "restore" || turn.way !== "plugin") continue;
      expect(all[place - 1]).toMatchObject({ kind: "base", way: "plugin", compression: "gzip", size: turn.size });
    }
  });

  test("of one small size has that one alone", () => {
    const small = turns({ ...wanted, sizes: ["100MB"], runs: 1 });
    expect(small.filter(({ kind }) => kind === "base")).toHaveLength(8);
    expect(small.filter(({ kind }) => kind === "point")).toHaveLength(2);
  });

  test("of one run leaves out what differs in two things, and of an older barman what it does not know", () => {
    const quick = turns({ ...wanted, runs: 1, absent: ["lz4"] });
    expect(quick.filter((turn) => turn.kind === "archive" && turn.way === "plugin")).toHaveLength(8);
    expect(quick.filter((turn) => turn.kind === "base" && turn.compression === "lz4")).toEqual([]);
    expect(quick.filter((turn) => turn.kind === "archive" && turn.compression === "lz4")).not.toEqual([]);
  });

  test("leaves out what cannot archive, to the store and back", () => {
    const without = turns({ ...wanted, broken: ["snappy"] });
    expect(
      without.filter((turn) => "compression" in turn && turn.compression === "snappy" && turn.kind !== "base"),
    ).toEqual([]);
    expect(all.length - without.length).toBe(11 + 5 + 5);
  });

  test("goes on where it was broken off", () => {
    const done = all.slice(0, 30).map((turn) => ({ ...turn, wall: 1 }));
    expect(missing(wanted, done)).toEqual(all.slice(30));
    expect(missing(wanted, all)).toEqual([]);
  });

  test("carries a number of segments that every number at once divides", () => {
    expect(parallels.map((parallel) => segmentCount % parallel)).toEqual([0, 0, 0, 0]);
  });
});

describe("the load", () => {
  test("a database grows by parts and shrinks by them, without filling anew", () => {
    expect(resized([], 100e6)).toEqual({ kept: 0, added: [100e6] });
    expect(resized([100e6], 1e9)).toEqual({ kept: 1, added: [250e6, 250e6, 250e6, 150e6] });
    expect(resized([100e6, 250e6, 250e6, 250e6, 150e6, 250e6], 1e9)).toEqual({ kept: 5, added: [] });
    expect(resized([100e6, 250e6], 200e6)).toEqual({ kept: 1, added: [100e6] });
  });

  test("a part is frozen in the transaction that makes it, and nothing ends perl's quotes", () => {
    const [begin, table = "", copy = "", commit] = makePart(3, 22_000_000);
    expect([begin, commit]).toEqual(["BEGIN", "COMMIT"]);
    expect(table).toContain("CREATE TABLE bench.part_3 (");
    expect(copy).toMatch(/^COPY bench\.part_3 FROM PROGRAM \$program\$perl -e '[^']+'\$program\$ WITH \(FREEZE\)$/);
    expect(copy).toContain("1 .. 100000");
  });

  test("every load ends by itself", () => {
    expect(forSeconds("heavy", 60)).toContain("secs => 60");
    expect(untilWritten(1024)).toContain("< 1024 LOOP");
  });

  test("the oldest commit is asked of one row", () => {
    expect(oldestCommit).toMatch(/^SELECT json_build_object\(/);
  });
});

describe("what is read", () => {
  test("steps of a script", () => {
    expect(readSteps("at begun 10.5\nnoise\nat archived 12.75\ncpu 1 (bash) S")).toEqual({
      parts: { archived: 2.25 },
      ended: 12_750,
    });
  });

  test("processor time of a process and its children, whatever its name is", () => {
    const stat = "1 (a (b) c) S 0 1 1 0 -1 4194560 5 6 7 8 100 50 1000 25 20 0 1 0 123 1 2";
    expect(cpuSeconds(stat)).toBe(11.75);
    expect(() => cpuSeconds("")).toThrow("/proc/<id>/stat");
  });

  const first = "000000010000000000000005";
  const second = "000000010000000000000006";
  const wal = (server: string, file: string, bytes: number) => ({
    key: `local/${server}/wals/0000000100000000/${file}`,
    bytes,
    stored: 0,
  });

  test("what segments take in one compression, of one server and of these segments alone", () => {
    const objects = [
      wal("naytife-postgres", `${first}.gz`, 4),
      wal("naytife-postgres", `${second}.gz`, 6),
      wal("naytife-postgres", `${first}.zst`, 3),
      wal("naytife-postgres", first, 16),
      wal("naytife-postgres", "000000010000000000000007.gz", 100),
      wal("naytife-postgres", `${first}.00000028.backup`, 100),
      wal("by-hand", `${first}.gz`, 100),
    ];
    const mean = (...of: [Parameters<typeof meanBytes>[2], string[]]) =>
      meanBytes({ objects }, "naytife-postgres", ...of);
    expect(mean("gzip", [first, second])).toBe(5);
    expect(mean("none", [first])).toBe(16);
    expect(() => mean("zstd", [first, second])).toThrow(`not in the store as zstd: ${second}`);
  });

  test("what a base backup takes", () => {
    const object = (key: string, bytes: number) => ({ key, bytes, stored: 0 });
    const objects = [
      object("local/naytife-postgres/base/20261122T010000/data.tar.gz", 10),
      object("local/naytife-postgres/base/20261122T010000/backup.info", 1),
      object("local/naytife-postgres/base/20261122T020000/data.tar.gz", 100),
      object("local/by-hand/base/20261122T010000/data.tar.gz", 1000),
    ];
    expect(storedBytes({ objects }, "naytife-postgres", "20261122T010000")).toBe(11);
  });

  test("what the stack is set to", () => {
    expect(configuredIn(valuesOf("local", { kubeconfig: "/a/file", kubeContext: "a" }))).toEqual({
      ...configured,
      compression: "none",
      walCompression: "zstd",
    });
  });
});

const results: Results = {
  kind: "backups",
  began: "2026-11-22T06:00:00Z",
  ended: "2026-11-22T06:40:00Z",
  command: "backups --sizes 1GB",
  commit: "abc1234",
  machine: { cores: 2, processor: "a processor", memoryBytes: 8e9, system: "Linux 6" },
  versions: { PostgreSQL: "17.10" },
  sizes: ["1GB"],
  runs: 3,
  configured,
  absent: [],
  broken: [],
  promises: { recoveryPoint: 60, uploadAllowance: 15, archiveTimeout: 45, recoveryTime: 900 },
  instance: { memory: "512Mi", cpu: "2", sidecarMemory: "512Mi", sidecarCpu: "1" },
  segments: 16,
  outcomes: [],
};

const carried = (seconds: number) => ({ seconds, segments: 16, cpuSeconds: 8 });
const recovery = { seconds: 100, replaySeconds: 2, walSegments: 3, fixedSeconds: 48, largestDatabaseBytes: 17e9 };
const point = { samples: 100, median: 20, most: 50, waiting: 2, commits: 600, walBytes: 6e6, seconds: 60 };
const outcomes: Outcome[] = [
  { kind: "disk", run: 1, wall: 1, figures: { write: 100e6, read: 200e6 } },
  ...[8, 4, 16].map(
    (seconds, index) =>
      ({
        kind: "archive",
        way: "plugin",
        compression: "gzip",
        parallel: 4,
        run: index + 1,
        wall: 9,
        figures: carried(seconds),
      }) as const,
  ),
  { kind: "archive", way: "plugin", compression: "lz4", parallel: 4, run: 1, wall: 9, figures: carried(2) },
  { kind: "archive", way: "hand", compression: "gzip", parallel: 1, run: 1, wall: 9, figures: carried(16) },
  { kind: "stored", compression: "gzip", run: 1, wall: 1, figures: { segmentBytes: 2 ** 22 } },
  { kind: "fetch", way: "plugin", compression: "gzip", parallel: 4, run: 1, wall: 1, figures: carried(4) },
  { kind: "fetch", way: "hand", compression: "gzip", parallel: 1, run: 1, wall: 1, figures: carried(8) },
  { kind: "point", load: "light", run: 1, wall: 100, figures: point },
  {
    kind: "base",
    way: "plugin",
    compression: "gzip",
    size: "1GB",
    run: 1,
    wall: 1,
    figures: { seconds: 20, databaseBytes: 1e9, storedBytes: 4e8 },
  },
  {
    kind: "base",
    way: "hand",
    compression: "gzip",
    size: "1GB",
    run: 1,
    wall: 1,
    figures: { seconds: 16, databaseBytes: 1e9, storedBytes: 4e8 },
  },
  {
    kind: "restore",
    way: "plugin",
    size: "1GB",
    run: 1,
    wall: 1,
    figures: { fetchSeconds: 50, databaseBytes: 1e9, recovery },
  },
  { kind: "restore", way: "hand", size: "1GB", run: 1, wall: 1, figures: { fetchSeconds: 50, databaseBytes: 1e9 } },
];

const row = (page: string, begin: string) => page.split("\n").filter((line) => line.startsWith(`| ${begin} |`));

describe("the page", () => {
  test("has rates with their spread, ratios to the peer and to the disk, and what the store holds", () => {
    const page = render({ ...results, outcomes });
    expect(row(page, "**gzip**")).toEqual([
      "| **gzip** |  |  | 2.00 (1.00–4.00) |  | 1.00 | 2.00 |",
      "| **gzip** |  |  | 4.00 |  | 2.00 | 2.00 |",
    ]);
    expect(row(page, "gzip")).toEqual([
      "| gzip | 33.6 (16.8–67.1) | 0.34 | 0.50 (0.50–0.50) | 0.50 |",
      "| gzip | 4.2 MB | 25 % |",
      "| gzip | 67.1 | 0.67 | 0.50 | 0.50 |",
    ]);
    expect(row(page, "1GB")).toEqual([
      "| 1GB | none |  |  |  |  |  |  |",
      "| 1GB | **gzip** | 20.0 | 50.0 | 62.5 | 0.80 | 0.25 | 40 % |",
      "| 1GB | lz4 |  |  |  |  |  |  |",
      "| 1GB | snappy |  |  |  |  |  |  |",
      "| 1GB | 1.0 GB | **100.0** | 50.0 | 2.0 | 48.0 | 20.0 | 20.0 | 1.00 | 0.20 | 17.0 GB |",
    ]);
    expect(row(page, "RTO of 1GB")).toEqual(["| RTO of 1GB | 15 min | 100.0 s, held |"]);
    expect(row(page, "RPO, light load")).toEqual(["| RPO, light load | 60 s | 50.0 s, held |"]);
    expect(row(page, "RPO, heavy load")).toEqual(["| RPO, heavy load | 60 s | not measured |"]);
    expect(page).toContain("10 commits, 100.0 kB of WAL a second");
  });

  test("tells a faster peer, a better setting, a promise that was not held, and a failure", () => {
    const fetch = { kind: "fetch", way: "plugin", compression: "lz4", parallel: 8 } as const;
    const failed: Outcome = { ...fetch, run: 1, wall: 1, failure: "it | failed" };
    const slow: Outcome = { kind: "point", load: "heavy", run: 1, wall: 1, figures: { ...point, most: 61 } };
    const page = render({ ...results, outcomes: [...outcomes, failed, slow] });
    expect(page).toContain("- base backup of 1GB, gzip: by hand is faster; the plugin comes to 0.80 of its rate.");
    expect(page).toContain("- lz4, 4 at once archives WAL fastest: 4.00 times the rate of the stack's setting.");
    expect(page).toContain("- RPO, heavy load: a commit was 61.0 s old and not in the store, promised are 60 s.");
    expect(page).toContain("- run 1, WAL fetched, 8 at once, lz4: failed: it \\| failed");
    expect(page).toMatch(/- \d+ of \d+ measurements: the time was up/);
  });

  test("says so where nothing was lost and nothing is missing", () => {
    const whole = turns({ ...results, runs: 3 }).map((turn: Turn) => ({ ...turn, wall: 1 }));
    const page = render({ ...results, outcomes: whole });
    expect(page).toContain("None: every promise was held");
    expect(page).not.toContain("the time was up");
  });

  test("says which compression this barman does not know", () => {
    const page = render({ ...results, absent: ["lz4"], versions: { barman: "3.13.3" }, outcomes });
    expect(page).toContain("- Base backups compressed by lz4: barman 3.13.3,");
    expect(row(page, "1GB").join()).not.toContain("lz4");
    const without = render({ ...results, broken: ["snappy"], outcomes });
    expect(without).toContain("- WAL compressed by snappy: the same barman");
    expect(row(without, "snappy")).toEqual([]);
  });

  test("is chosen by what the results are of", () => {
    expect(pageOf(results).file).toBe("benchmarks-backups.md");
  });
});

describe("the command line", () => {
  const now = new Date("2026-11-22T06:00:00Z");

  test("has the sizes of the issue", () => {
    const said = asked(["backups"], now);
    expect(said).toMatchObject({
      command: "backups",
      options: { sizes: ["100MB", "1GB", "5GB"], runs: 3, minutes: 120 },
    });
    expect(said.command === "backups" && said.options.out).toMatch(/bench\/results\/2026-11-22T06-00-00\.000Z\.json$/);
  });

  test("renders to the page of the results, unless another file is named", () => {
    expect(asked(["render", "a.json"], now)).toEqual({ command: "render", file: "a.json", out: undefined });
    expect(asked(["render", "a.json", "--out", "b.md"], now)).toMatchObject({ out: "b.md" });
  });

  test.each([
    [["backups", "--sizes", "100MB,much"], "not a size"],
    [["backups", "--shape", "many"], "shape"],
    [["backups", "more"], "one command"],
    [["backups", "--runs", "0"], "--runs"],
    [["render"], "which results"],
    [[], "one command"],
  ])("refuses %j", (args, words) => {
    expect(() => asked(args, now)).toThrow(words);
  });
});
