import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { humanBytes, humanSeconds, Narrator, parseEvent } from "../../migration/engine/events";
import { configMap, job, labels, objectNames, secret } from "../../migration/engine/manifests";
import type { ClusterObject } from "../../migration/engine/kubernetes";
import { scramVerifier } from "../../migration/engine/scram";
import { progress } from "../../migration/engine/settle";
import { bytesOf, literal, readSettings, type Settings } from "../../migration/engine/settings";
import { printer } from "../../migration/engine/terminal";
import { exampleSettings } from "../migration-settings";

const settings: Settings = {
  ...exampleSettings,
  target: { ...exampleSettings.target, searchPath: ["naytife_schema", 'odd "one"'] },
  jobs: 3,
  dump: { size: "10Gi", storageClass: "" },
};
const run = {
  id: "run",
  mode: "migrate",
  image: "postgresql:17",
  dumpVolume: true,
  targetFree: 5,
  targetMemory: 2 ** 31,
  targetMillicores: 500,
  sourceHost: "10.0.0.1",
} as const;

test("the SCRAM verifier is RFC 7677's", () => {
  const salt = Buffer.from("W22ZaJ0SNY7soEsUEjb6gQ==", "base64");
  expect(scramVerifier("pencil", salt, 4096)).toBe(
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
  );
  expect(scramVerifier("pencil")).not.toBe(scramVerifier("pencil"));
});

test("the settings are read from one variable, and its absence is told", () => {
  expect(readSettings({ NAYTIFE_MIGRATION: JSON.stringify(settings) })).toEqual(settings);
  expect(() => readSettings({})).toThrow("NAYTIFE_MIGRATION is not set");
});

test.each([
  ["plain", "'plain'"],
  ["it's", "'it''s'"],
  ["back\\slash'", "E'back\\\\slash'''"],
])("%s as a literal", (text, expected) => {
  expect(literal(text)).toBe(expected);
});

test.each([
  ["10Gi", 10 * 2 ** 30],
  ["1.5Mi", 1.5 * 2 ** 20],
  ["500M", 5e8],
  ["3k", 3000],
  ["2Ki", 2048],
  ["128", 128],
  ["1e9", 1e9],
])("%s is %d bytes", (quantity, bytes) => {
  expect(bytesOf(quantity)).toBe(bytes);
});

test.each(["", "10 Gi", "Gi", "10GB", "-1"])("%p is no size", (text) => {
  expect(() => bytesOf(text)).toThrow("is not a size such as 10Gi");
});

test("an event is told from a tool's own line", () => {
  expect(parseEvent('{"phase":"dump","event":"note","text":"a"}')).toEqual({ phase: "dump", event: "note", text: "a" });
  // As the server spaces JSON.
  expect(parseEvent('{"phase" : "copy", "event" : "progress"}')).toEqual({ phase: "copy", event: "progress" });
  expect(parseEvent("pg_restore: error: no")).toBeUndefined();
  expect(parseEvent('{"phase":"dump","eve')).toBeUndefined();
});

describe("progress", () => {
  const progress = (phase: string, done: number) =>
    ({ phase, event: "progress", done, total: 60e6, unit: "bytes" }) as const;

  test("says how far, how fast, how long and at what, counted from a phase's first", () => {
    const narrator = new Narrator();
    narrator.line({ phase: "copy", event: "started" }, 0);
    // Half of it was there before this run.
    expect(narrator.line(progress("copy", 30e6), 9_000)).toBe("copy: 30.0 MB of 60.0 MB");
    const event = {
      ...progress("copy", 40e6),
      rows: 70,
      tables: [{ name: "shop.orders", done: 19, total: 20, rows: 60 }],
    };
    expect(narrator.line(event, 14_000)).toBe(
      "copy: 40.0 MB of 60.0 MB, 2.0 MB/s, 10 s left, 70 rows, shop.orders 95 %",
    );
    expect(narrator.line({ phase: "copy", event: "failed", text: "x" }, 0)).toBeUndefined();
  });

  test("of two phases at once is kept apart", () => {
    const narrator = new Narrator();
    narrator.line(progress("copy", 10e6), 0);
    narrator.line({ phase: "dump", event: "progress", done: 500, total: null, unit: "bytes written" }, 500);
    expect(narrator.line(progress("copy", 20e6), 1000)).toBe("copy: 20.0 MB of 60.0 MB, 10.0 MB/s, 4 s left");
    expect(
      narrator.line(
        { phase: "dump", event: "progress", done: 1500, total: null, unit: "bytes written", item: "" },
        1500,
      ),
    ).toBe("dump: 1.5 kB, 1.0 kB/s");
  });

  test.each([
    [0.2, "1 s"],
    [119, "119 s"],
    [150, "3 min"],
    [7260, "2 h 1 min"],
  ])("%d seconds are %s", (seconds, text) => {
    expect(humanSeconds(seconds)).toBe(text);
  });
});

describe("lines on a screen", () => {
  const written = (isTTY: boolean) => {
    const screen = { isTTY, columns: 40, text: "", write: (text: string) => (screen.text += text) };
    return { screen, say: printer(screen) };
  };
  const tables = [{ name: "shop.orders", done: 1, total: 4, rows: 7 }];
  const progress = { phase: "copy", event: "progress", tables } as const;

  test("that is no terminal are printed once each", () => {
    const { screen, say } = written(false);
    say("copy: 1 of 4", progress);
    say("copy: done", { phase: "copy", event: "finished" });
    expect(screen.text).toBe("[migration] copy: 1 of 4\n[migration] copy: done\n");
  });

  test("that is a terminal: what is under way is drawn in place, with bars, and gone when its phase is done", () => {
    const { screen, say } = written(true);
    say("copy: 1 of 4", progress);
    const bars = "copy: 1 of 4\n  █████░░░░░░░░░░░░░░░  25 %  shop.orde\n";
    expect(screen.text).toBe(bars);
    screen.text = "";
    say("dump …", { phase: "dump", event: "started" });
    expect(screen.text).toBe(`\x1b[2A\x1b[J[migration] dump …\n${bars}`);
    screen.text = "";
    say("copy: done", { phase: "copy", event: "finished" });
    expect(screen.text).toBe("\x1b[2A\x1b[J[migration] copy: done\n");
  });
});

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [1000, "1.0 kB"],
  [1_234_567, "1.2 MB"],
  [5e12, "5.0 TB"],
])("%d bytes are %s", (bytes, text) => {
  expect(humanBytes(bytes)).toBe(text);
});

describe("the Job", () => {
  const manifest = job(settings, run);
  const container = manifest.spec?.template.spec?.containers[0];
  const variable = (name: string) => container?.env?.find((entry) => entry.name === name);

  test("holds no password, only where each is kept", () => {
    for (const name of ["SOURCE_PASSWORD", "TARGET_PASSWORD", "TARGET_OWNER_PASSWORD", "SIGNING_KEY"]) {
      expect(variable(name)?.value).toBeUndefined();
      expect(variable(name)?.valueFrom?.secretKeyRef?.key).toBeTruthy();
    }
    const everything = JSON.stringify([manifest, configMap(settings)]);
    expect(everything).not.toContain("the-password");
    expect(secret(settings, "the-password", "another").stringData?.password).toBe("the-password");
  });

  test("of an online migration gets a password of its own for the stream of changes, and its verifier; an offline one has none", () => {
    const online = { ...settings, mode: "online" } as const;
    const environment = (of: typeof settings) => job(of, run).spec?.template.spec?.containers[0]?.env ?? [];
    expect(environment(online)).toContainEqual({ name: "MIGRATION_MODE", value: "online" });
    for (const name of ["REPLICATION_PASSWORD", "REPLICATION_VERIFIER"]) {
      const entry = environment(online).find((one) => one.name === name);
      expect(entry?.value).toBeUndefined();
      expect(entry?.valueFrom?.secretKeyRef?.name).toBe("naytife-postgres-migration");
      expect(environment(settings).some((one) => one.name === name)).toBe(false);
    }
    const { stringData } = secret(online, "the-password", "another");
    expect(stringData).toMatchObject({ password: "the-password", replicationPassword: "another" });
    expect(stringData?.replicationVerifier).toMatch(/^SCRAM-SHA-256\$4096:/);
    expect(Object.keys(secret(settings, "the-password", "another").stringData ?? {})).toEqual(["username", "password"]);
  });

  test("of a plan needs no volume and no signing key, writes to none, and goes by itself", () => {
    const { spec } = job(settings, { ...run, mode: "plan", dumpVolume: false });
    const pod = spec?.template.spec;
    expect(pod?.volumes?.find(({ name }) => name === "dump")).toEqual({ name: "dump", emptyDir: {} });
    expect(pod?.containers[0]?.volumeMounts?.find(({ name }) => name === "dump")?.readOnly).toBe(true);
    expect(JSON.stringify(spec)).not.toMatch(/signing/i);
    expect(spec).toMatchObject({ activeDeadlineSeconds: 600, ttlSecondsAfterFinished: 600 });
  });

  test("is one at a time, begins suspended, and is not repeated by Kubernetes", () => {
    expect(manifest.metadata?.name).toBe("naytife-postgres-migration");
    expect(manifest.spec).toMatchObject({ suspend: true, backoffLimit: 0 });
    expect(manifest.metadata?.labels).toEqual({ ...labels(settings), "naytife.com/mode": "migrate" });
    expect(objectNames(settings).dump).toBe("naytife-postgres-migration-dump");
  });

  test("fits a namespace with the restricted security standard", () => {
    expect(manifest.spec?.template.spec?.securityContext).toMatchObject({
      runAsNonRoot: true,
      seccompProfile: { type: "RuntimeDefault" },
    });
    expect(container?.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
    expect(manifest.spec?.template.spec?.automountServiceAccountToken).toBe(false);
  });

  test("gets the settings and the run", () => {
    expect(variable("SOURCE_HOST")?.value).toBe("10.0.0.1");
    expect(variable("TARGET_HOST")?.value).toBe("naytife-postgres-rw");
    expect(variable("JOBS")?.value).toBe("3");
    expect(variable("SEARCH_PATH")?.value).toBe('"naytife_schema", "odd ""one"""');
    expect(variable("DUMP_CAPACITY")?.value).toBe(String(10 * 2 ** 30));
    expect(container?.command).toEqual(["bash", "/migration/migrate.sh", "migrate"]);
  });
});

test("every script that migrate.sh reads comes with the ConfigMap", () => {
  const data = configMap(settings).data ?? {};
  const parts = /for part in (.*); do/.exec(data["migrate.sh"] ?? "")?.[1]?.split(" ") ?? [];
  expect(parts.length).toBeGreaterThan(5);
  for (const part of parts) expect(Object.keys(data)).toContain(`${part}.sh`);
  for (const text of Object.values(data)) {
    for (const [, file] of text.matchAll(/\$SCRIPTS\/([a-z]+\.(?:sql|awk))/g))
      expect(Object.keys(data)).toContain(file);
  }
});

describe("a schema dump of two majors comes out the same", () => {
  const script = path.join(__dirname, "../../migration/job/normalise.awk");
  const normalise = (text: string, major: number) =>
    execFileSync("awk", ["-v", `major=${major}`, "-f", script], { input: text })
      .toString()
      .trimEnd();

  test.each([
    [
      "a policy's roles",
      'CREATE POLICY p ON t TO zed, "A b", mid USING ((a = b));',
      'CREATE POLICY p ON t TO "A b", mid, zed USING ((a = b));',
    ],
    [
      "a collation's locale",
      "CREATE COLLATION c (provider = icu, locale = 'en-u-kn-true');",
      "CREATE COLLATION c (provider = icu, locale = 'en-u-kn');",
    ],
    ["MAINTAIN alone", "GRANT MAINTAIN ON TABLE t TO naytife;", ""],
    ["MAINTAIN among others", "GRANT SELECT,MAINTAIN,UPDATE ON TABLE t TO a;", "GRANT SELECT,UPDATE ON TABLE t TO a;"],
    [
      "all there was",
      "REVOKE SELECT,INSERT,REFERENCES,DELETE,TRIGGER,TRUNCATE,UPDATE ON TABLE t FROM a;",
      "REVOKE ALL ON TABLE t FROM a;",
    ],
    [
      "a view's columns",
      'CREATE VIEW v AS\n SELECT t.a,\n    "T"."b c"\n   FROM s.t;',
      'CREATE VIEW v AS\n SELECT a,\n    "b c"\n   FROM t;',
    ],
  ])("%s", (_what, before, after) => {
    expect(normalise(before, 15)).toBe(after);
  });

  test("and nothing else is touched", () => {
    const table = "CREATE TABLE s.t (\n    a text DEFAULT 'x.y'::text\n);\nGRANT SELECT ON TABLE s.t TO a;";
    expect(normalise(table, 15)).toBe(table);
    const view = "CREATE VIEW v AS\n SELECT t.a\n   FROM s.t;";
    expect(normalise(view, 16)).toBe(view);
    expect(normalise(`${view}\n${table}`, 15).endsWith(table)).toBe(true);
  });
});

test("a line that may hold a secret is not passed on, and why a login failed is", () => {
  const common = path.join(__dirname, "../../migration/job/common.sh");
  const input = [
    "< CREATE USER MAPPING FOR a SERVER b OPTIONS (",
    "<     password 'abc,def)ghi',",
    "Command was: ALTER SERVER b OPTIONS (SET Secret 'xyz');",
    'FATAL:  password authentication failed for user "naytife"',
  ];
  const passed = execFileSync("bash", ["--norc", "-c", `TARGET_DATABASE=x; . "${common}"; redact`], {
    input: `${input.join("\n")}\n`,
  });
  const hidden = "(a line that mentions a password or a secret is not shown)";
  expect(passed.toString().trimEnd().split("\n")).toEqual([input[0], `< ${hidden}`, hidden, input[3]]);
});

describe("sizes that the Job works out", () => {
  const directory = path.join(__dirname, "../../migration/job");
  const shell = (jobs: number, call: string) =>
    execFileSync("bash", [
      "--norc",
      "-c",
      `TARGET_DATABASE=x JOBS=${jobs}; for part in common copy index; do . "${directory}/$part.sh"; done; ${call}`,
    ])
      .toString()
      .trim();

  test.each([
    [2, 10 * 2 ** 20, 16 * 2 ** 20],
    [2, 800 * 2 ** 20, 50 * 2 ** 20],
    [4, 2 ** 40, 256 * 2 ** 20],
  ])("%d jobs copy %d bytes in chunks of %d", (jobs, total, chunk) => {
    expect(Number(shell(jobs, `chunk_bytes ${total}`))).toBe(chunk);
  });

  test.each([
    [2, 0, 0, ""],
    [2, 512 * 2 ** 20, 500, "-c maintenance_work_mem=65536kB -c max_parallel_maintenance_workers=0"],
    [2, 2 * 2 ** 30, 2000, "-c maintenance_work_mem=262144kB -c max_parallel_maintenance_workers=1"],
    [1, 64 * 2 ** 30, 16_000, "-c maintenance_work_mem=1048576kB -c max_parallel_maintenance_workers=4"],
  ])("%d jobs build indexes in %d bytes and %d thousandths of a core with: %s", (jobs, memory, cores, settings) => {
    expect(shell(jobs, `index_settings ${memory} ${cores}`)).toBe(settings);
  });
});

describe("the order in which definitions are restored", () => {
  const entries = {
    wrapper: "10; 2328 16400 FOREIGN DATA WRAPPER - files postgres",
    table: "11; 1259 16401 TABLE shop orders naytife",
    index: "12; 1259 16402 INDEX shop orders_at naytife",
    attach: "13; 0 0 INDEX ATTACH shop orders_2026_at naytife",
    key: "14; 2606 16403 FK CONSTRAINT shop orders orders_customer naytife",
    comment: "15; 0 0 COMMENT shop INDEX orders_at naytife",
    trigger: "16; 3466 16404 EVENT TRIGGER - watch postgres",
  };

  /** What list_definitions makes of entries as `pg_restore -l` prints them. */
  function lists(...given: readonly string[]): Record<string, string[]> {
    const work = fs.mkdtempSync(path.join(os.tmpdir(), "definitions-"));
    try {
      const toc = path.join(work, "toc");
      fs.writeFileSync(toc, `;\n; Archive created at …\n${given.join("\n")}\n`);
      const copy = path.join(__dirname, "../../migration/job/copy.sh");
      const stubs = `sql() { :; }; pg_restore() { cat "${toc}"; }`;
      execFileSync("bash", [
        "--norc",
        "-c",
        `set -euo pipefail; . "${copy}"; ${stubs}; WORK="${work}"; list_definitions`,
      ]);
      return Object.fromEntries(
        ["before", "rest", "serial", "keys", "after"].map((list) => [
          list,
          fs
            .readFileSync(path.join(work, `list.${list}`), "utf8")
            .split("\n")
            .filter(Boolean),
        ]),
      );
    } finally {
      fs.rmSync(work, { recursive: true });
    }
  }

  test("foreign keys wait for the indexes of partitioned tables", () => {
    const { wrapper, table, index, attach, key, comment, trigger } = entries;
    expect(lists(wrapper, table, index, attach, key, comment, trigger)).toEqual({
      before: [wrapper],
      rest: [table, index],
      serial: [attach],
      keys: [key, comment],
      after: [trigger],
    });
  });

  test("and are checked beside the other indexes where no table is partitioned", () => {
    const { table, index, key, comment } = entries;
    expect(lists(table, index, key, comment)).toEqual({
      before: [],
      rest: [table, index, key, comment],
      serial: [],
      keys: [],
      after: [],
    });
  });
});

test("no script turns tracing on", () => {
  const directory = path.join(__dirname, "../../migration/job");
  for (const file of fs.readdirSync(directory)) {
    expect(fs.readFileSync(path.join(directory, file), "utf8")).not.toMatch(/set -[a-z]*x|xtrace/);
  }
});

describe("growth is over", () => {
  const cluster = (readyInstances: number, synchronous?: { number: number }): ClusterObject => ({
    spec: synchronous === undefined ? {} : { postgresql: { synchronous } },
    status: { phase: "Creating a new replica", readyInstances, instanceNames: ["db-1", "db-2", "db-3"] },
  });
  const replica = (name: string, state = "streaming", sync = "async", behind: number | null = 0) => ({
    name,
    state,
    sync,
    behind,
  });

  test("when all instances are ready and all replicas stream", () => {
    expect(progress(1, cluster(1), { replicas: [], copies: [] }).settled).toBe(true);
    const { settled, line } = progress(3, cluster(3), { replicas: [replica("db-2"), replica("db-3")], copies: [] });
    expect(settled).toBe(true);
    expect(line).toBe("3 of 3 instances ready, 2 of 2 replicas streaming");
  });

  test("not while a replica is copied, which streams too, by another name", () => {
    const { settled, waitsForCheckpoint, line } = progress(2, cluster(1), {
      replicas: [replica("db-2-join")],
      copies: [{ phase: "streaming database files", done: 41_200_000, total: 120_000_000 }],
    });
    expect(settled).toBe(false);
    expect(waitsForCheckpoint).toBe(false);
    expect(line).toBe(
      "1 of 2 instances ready, 0 of 1 replicas streaming; a replica is copied: streaming database files 41.2 MB of 120.0 MB; " +
        "Creating a new replica",
    );
  });

  test("not while the copy of a replica waits for a checkpoint", () => {
    const copies = [{ phase: "waiting for checkpoint to finish", done: 0, total: null }];
    const { settled, waitsForCheckpoint } = progress(2, cluster(1), { replicas: [], copies });
    expect([settled, waitsForCheckpoint]).toEqual([false, true]);
  });

  test("not while one catches up", () => {
    const { settled, line } = progress(2, cluster(2), {
      replicas: [replica("db-2", "catchup", "async", 1_500_000)],
      copies: [],
    });
    expect(settled).toBe(false);
    expect(line).toContain("db-2: catchup, 1.5 MB behind");
  });

  test("not while commits do not wait for a replica although they shall", () => {
    const asynchronous = progress(2, cluster(2, { number: 1 }), { replicas: [replica("db-2")], copies: [] });
    expect(asynchronous.settled).toBe(false);
    expect(asynchronous.line).toContain("0 of 1 synchronous");
    const replicas = [replica("db-2", "streaming", "quorum")];
    expect(progress(2, cluster(2, { number: 1 }), { replicas, copies: [] }).settled).toBe(true);
  });

  test("not while there are too many", () => {
    const { settled } = progress(2, cluster(3), { replicas: [replica("db-2"), replica("db-3")], copies: [] });
    expect(settled).toBe(false);
  });
});
