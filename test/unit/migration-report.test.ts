import { createHash } from "node:crypto";
import { renderReport } from "../../migration/engine/report";
import { reportFault, signatureOf } from "../../migration/engine/signature";
import type { MigrationReport } from "../../migration/migration";

const report: MigrationReport = {
  run: "a-run",
  completed: "2026-11-21T12:00:00Z",
  source: { where: "naytife@postgres:5432/naytifedb", version: "15.20", bytes: 311_500_000, locale: "UTF8 libc en_US" },
  target: { database: "naytifedb", version: "17.12", locale: "UTF8 builtin C C.UTF-8" },
  tools: ["pg_dump 17.12"],
  phases: [{ phase: "cut over", seconds: 1.1, detail: null }],
  tables: [{ table: '"a|b`c"."new\nline"', rows: 3, hash: "00ff" }],
  compared: { table: 1, "text order": 2 },
  rows: 3,
  schema: { equal: true, sha256: "5c4e" },
  sourceUnchanged: "no transaction but our own began",
  dump: { directory: "naytifedb-a-run", bytes: 1000, sha256: "d0" },
  warnings: ["SUPERUSER of role [x](y) <b> is not carried"],
  verification: {
    seconds: 6.9,
    bytes: 503_400_000,
    bytesPerSecond: 72_500_000,
    workersPerSide: 2,
    rowHash: "two sums",
  },
  text: { probes: 37, differing: 3 },
  amcheck: { tables: 140, indexes: 169, damaged: 0 },
  extensions: [{ extension: "ltree", source: "1.2", target: "1.3" }],
};

test("a report in Markdown says what was moved, compared and left behind", () => {
  const markdown = renderReport(report);
  for (const line of [
    "# Migration into `naytifedb`",
    "| moved | 1 tables, 3 rows |",
    "| compared | 503.4 MB on both sides in 6.9 s (72.5 MB/s, 2 workers a side), rows by two sums |",
    "| files of the copy | 140 tables and 169 btree indexes checked, all sound |",
    "| text | 37 probes, 3 differ |",
    "- SUPERUSER of role \\[x\\](y) \\<b\\> is not carried",
    "| cut over | 1.1 |  |",
    "| text order | 2 |",
    "| `ltree` | `1.2` | `1.3` |",
    "| <code>&#34;a&#124;b&#96;c&#34;.&#34;new&#92;u000aline&#34;</code> | 3 | `00ff` |",
  ]) {
    expect(markdown.split("\n")).toContain(line);
  }
});

test("a report of an earlier version is rendered too", () => {
  const { verification, text, amcheck, extensions, tools, ...earlier } = report;
  expect([verification, text, amcheck, extensions, tools]).not.toContain(undefined);
  const markdown = renderReport({ ...earlier, warnings: [] });
  expect(markdown).toContain("## Warnings\n\nNone.");
  expect(markdown).not.toContain("undefined");
  expect(markdown).not.toContain("Extensions");
});

test("files that were not checked are not called sound", () => {
  expect(renderReport({ ...report, amcheck: null })).toContain(
    "| files of the copy | not checked: the image has no amcheck |",
  );
});

describe("a stored report", () => {
  const key = "0b".repeat(32);
  const text = '{"rows": 3}';
  const stored = {
    text,
    sha256: createHash("sha256").update(text).digest("hex"),
    signature: signatureOf(text, key),
  };

  test("is signed by HMAC-SHA-256", () => {
    // RFC 4231, test case 1: its key is 20 bytes, and HMAC fills any up with zeros.
    expect(signatureOf("Hi There", "0b".repeat(20))).toBe(
      "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    );
  });

  test("is trusted as it was signed", () => {
    expect(reportFault(stored, key)).toBeUndefined();
  });

  test.each([
    ["changed", { text: '{"rows": 4}' }, key, "it was changed after it was signed"],
    ["of another checksum", { sha256: "00" }, key, "it was changed after it was signed"],
    ["of another signature", { signature: "00" }, key, "its signature is not by this namespace's key"],
    ["signed by another key", {}, "0c".repeat(32), "its signature is not by this namespace's key"],
    ["whose key is gone", {}, undefined, "the key that signed it is gone"],
    ["that was never signed", { sha256: "-", signature: "-" }, key, "it carries no signature"],
  ])("%s is not", (_what, change, by, fault) => {
    expect(reportFault({ ...stored, ...change }, by)).toContain(fault);
  });
});
