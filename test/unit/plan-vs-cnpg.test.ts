import * as fs from "node:fs";
import * as path from "node:path";

const root = path.join(__dirname, "..", "..");

/** The tests that a row names: each "file › the test's name", "…" for what is left out; a name alone is of the file before. */
function references(row: string): [string, string][] {
  const named =
    row
      .split(" | ")
      .at(-1)
      ?.replace(/\s*\|\s*$/, "") ?? "";
  let file = "";
  return named.split("; ").map((reference): [string, string] => {
    const parts = reference.split(" › ");
    file = parts.length > 1 ? (parts[0] ?? "").trim() : file;
    return [file, parts.at(-1) ?? ""];
  });
}

const rows = fs
  .readFileSync(path.join(root, "docs", "plan-vs-cnpg.md"), "utf8")
  .split("\n")
  .filter((line) => line.startsWith("| ") && !/^\| (The plan's letter|-)/.test(line))
  .filter((line) => /\b(unit|property|stacks)\//.test(line.split(" | ").at(-1) ?? ""));

test("there are rows", () => {
  expect(rows.length).toBeGreaterThan(40);
});

test.each(rows.flatMap(references))("%s has a test › %s", (file, name) => {
  const source = fs.readFileSync(path.join(root, "test", `${file}.test.ts`), "utf8");
  // "refuses %s", "has a %s …" and "%s fails" are spelled out in the document, and tables in the source.
  const fragments = name
    .split("…")
    .map((fragment) =>
      fragment
        .trim()
        .replace(/^refuses /, "")
        .replace(/ fails$/, "")
        .replace(/^has a (Cluster|Pooler) /, ""),
    )
    .filter((fragment) => fragment !== "");
  expect(fragments.filter((fragment) => !source.includes(fragment))).toEqual([]);
});
