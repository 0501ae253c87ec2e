import { execFileSync } from "node:child_process";
import * as path from "node:path";
import fc from "fast-check";
import { bytesOf, literal } from "../../migration/engine/settings";

const common = path.join(__dirname, "../../migration/job/common.sh");
/** What a function of the Job's scripts makes of each argument, in one run of bash. */
const bash = (call: string, args: string[]) =>
  execFileSync(
    "bash",
    [
      "--norc",
      "-c",
      `TARGET_DATABASE=x; . "${common}"; for text; do ${call} "$text"; printf '\\0'; done`,
      "bash",
      ...args,
    ],
    {
      env: { PATH: process.env.PATH, LC_ALL: "C.UTF-8" },
    },
  )
    .toString()
    .split("\0")
    .slice(0, -1);

/** Reads an SQL literal back as PostgreSQL's scanner does. */
function read(sql: string): string {
  const escapes = sql.startsWith("E");
  const inside = sql.slice(escapes ? 2 : 1, -1).replaceAll("''", "'");
  return escapes ? inside.replaceAll("\\\\", "\\") : inside;
}

test("a literal holds what was put in, and ends where it should", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      const sql = literal(text);
      expect(read(sql)).toBe(text);
      expect((sql.slice(sql.startsWith("E") ? 2 : 1, -1).match(/'/g) ?? []).length % 2).toBe(0);
    }),
  );
});

test("a whole number of any unit keeps its order of magnitude", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1000 }), fc.constantFrom("Ki", "Mi", "Gi", "Ti"), (n, unit) => {
      expect(bytesOf(`${n}${unit}`)).toBe(n * 1024 ** (["Ki", "Mi", "Gi", "Ti"].indexOf(unit) + 1));
    }),
  );
});

// NUL cannot be an argument of a program; control characters other than newline and tab become spaces.
const text = fc.string({
  unit: fc.oneof(
    fc.constantFrom('"', "\\", "\n", "\t", "'", "$", "`", "é", "—"),
    fc.string({ minLength: 1, maxLength: 1 }),
  ),
});

const texts = fc.array(text, { minLength: 40, maxLength: 80 });

test("the Job's JSON is JSON, whatever a name or an error holds", () => {
  fc.assert(
    fc.property(texts, (values) => {
      expect(bash("json_string", values).map((json): unknown => JSON.parse(json))).toEqual(values);
    }),
    { numRuns: 5 },
  );
});

test("a password file's field ends at its own colon", () => {
  fc.assert(
    fc.property(texts, (values) => {
      for (const [at, escaped] of bash("escape_pgpass", values).entries()) {
        expect(escaped.replaceAll(/\\(.)/gs, "$1")).toBe(values[at]);
        expect(escaped.replaceAll(/\\./gs, "")).not.toContain(":");
      }
    }),
    { numRuns: 5 },
  );
});
