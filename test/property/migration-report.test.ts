import fc from "fast-check";
import { code, prose } from "../../migration/engine/report";

const text = fc.string({
  unit: fc.oneof(
    fc.constantFrom(
      "`",
      "``",
      "|",
      "\\",
      "\n",
      "\r",
      "\t",
      "\u0000",
      "\u0085",
      "\u2028",
      " ",
      "<",
      "*",
      "_",
      "[",
      '"',
      "é",
      "👻",
    ),
    fc.string({ minLength: 1, maxLength: 1 }),
  ),
});

/** Reads a cell of code back: between backticks as it is, between tags with references resolved. */
function read(cell: string): string | undefined {
  const [, plain, marked] = /^(?:`([^`|\\<>]+)`|<code>([\p{L}\p{N}. &#;]*)<\/code>)$/u.exec(cell) ?? [];
  return plain ?? marked?.replaceAll(/&#(\d+);/g, (_reference, point: string) => String.fromCodePoint(Number(point)));
}

test("a name in a table's cell stays in it, on one line, and reads as it is", () => {
  fc.assert(
    fc.property(text, (name) => {
      const escaped = name.replaceAll(
        /[\p{Cc}\p{Zl}\p{Zp}]/gu,
        (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`,
      );
      expect(read(code(name))).toBe(escaped);
    }),
  );
});

test("prose stays on its line and holds no live Markdown or HTML", () => {
  fc.assert(
    fc.property(text, (words) => {
      const line = prose(words);
      expect(line).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
      expect(line.replaceAll(/\\./g, "")).not.toMatch(/[\\`*_[\]{}<>#|~&!]/);
    }),
  );
});
