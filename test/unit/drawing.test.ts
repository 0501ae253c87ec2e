import type { Panel, Row } from "../../monitoring/dashboards/panel";
import { rows } from "../../monitoring/dashboards/rows";
import { example } from "../../monitoring/rules/example";
import { drawn, type Line } from "../night/drawing";

const span = { from: 1_800_000_000, to: 1_800_000_300, step: 15 };
const panel: Panel = {
  title: "Lag",
  description: "",
  kind: "lines",
  unit: "s",
  queries: [{ expr: "lag", legend: "{{pod}}" }],
};
const page = (one: Partial<Panel>, lines: readonly Line[]): string =>
  drawn("test", [{ title: "row", panels: [{ ...panel, ...one }] }] satisfies Row[], new Map([["lag", lines]]), span);
const line = (pod: string, ...values: (readonly [number, string])[]): Line => ({
  metric: { pod },
  values: values.map(([after, value]) => [span.from + after, value] as const),
});

test("every panel is drawn, in a unit that is known", () => {
  const all = rows(example);
  const answers = new Map(
    all.flatMap(({ panels }) =>
      panels.flatMap(({ queries }) => queries.map(({ expr }) => [expr, [line("a", [285, "1"], [300, "2"])]] as const)),
    ),
  );
  const html = drawn("PostgreSQL", all, answers, span);
  expect(html.match(/<article/g)).toHaveLength(all.reduce((sum, { panels }) => sum + panels.length, 0));
  expect(html).not.toContain("No data");
});

test("a misspelt unit is told", () => {
  expect(() => page({ unit: "secs" }, [line("a", [300, "1"])])).toThrow("unit secs");
});

test("a panel without data says so, and one whose only values are none", () => {
  expect(page({}, [])).toContain("No data");
  expect(page({}, [line("a", [300, "NaN"])])).toContain("No data");
});

test("a share is written with Grafana's digits, or the panel's", () => {
  const share = { kind: "values", unit: "percentunit" } as const;
  expect(page(share, [line("a", [300, "0.9986"])])).toContain(">99.9%</b>");
  expect(page({ ...share, decimals: 3 }, [line("a", [300, "0.9986"])])).toContain(">99.860%</b>");
});

test("what went away is no value of now", () => {
  expect(page({ kind: "values" }, [line("gone", [15, "7"])])).toContain("No data");
  expect(page({ kind: "values" }, [line("there", [300, "7"])])).toContain(">7 s</b> there");
});

test("words and colours are those of the panel, on either side of its limits", () => {
  const stat = { kind: "stat", unit: "none" } as const;
  const [green, orange, red] = ["#37872d", "#e0752d", "#c4162a"];
  const words = { "1": { text: "serves", color: "green" } } as const;
  expect(page({ ...stat, words }, [line("a", [300, "1"])])).toContain(`color: ${green}">serves<`);
  const color = (limits: { amber: number; red: number }, value: string) =>
    /color: (#\w+)">/.exec(page({ ...stat, limits }, [line("a", [300, value])]).split("</style>")[1] ?? "")?.[1];
  expect(["4", "5", "10"].map((value) => color({ amber: 5, red: 10 }, value))).toEqual([green, orange, red]);
  expect(["3", "2", "1"].map((value) => color({ amber: 3, red: 2 }, value))).toEqual([green, orange, red]);
});

test("no line leads across a gap", () => {
  const path = (...at: number[]) =>
    /<path d="([^"]*)"/.exec(page({}, [line("a", ...at.map((after) => [after, "1"] as const))]))?.[1];
  expect(path(0, 15, 30)?.match(/M/g)).toHaveLength(1);
  expect(path(0, 15, 60, 75)?.match(/M/g)).toHaveLength(2);
});

test("a label is text, not markup", () => {
  expect(page({}, [line("<script>", [300, "1"])])).not.toContain("<script>");
});
