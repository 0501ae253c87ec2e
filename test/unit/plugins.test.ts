import { requireOfficial } from "../../local/engine/stack";

test("official plugins may change anything", () => {
  expect(() => {
    requireOfficial("the stack production", [{ name: "kubernetes", origin: "official" }]);
  }).not.toThrow();
});

test("one stand-in among them may not, and the error names it", () => {
  expect(() => {
    requireOfficial("the stack production", [
      { name: "command", origin: "official" },
      { name: "kubernetes", origin: "stand-in" },
    ]);
  }).toThrow(/may change the stack production,.*stand-ins for kubernetes\. Nothing was changed/);
});
