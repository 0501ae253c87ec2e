import { dashboardJson } from "../../monitoring/dashboards/dashboard";
import { example } from "../../monitoring/rules/example";
import { schemaErrors } from "../dashboard-schema";

const json = dashboardJson(example);

interface Place {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

test("the dashboard is as Grafana's schema has it", () => {
  expect(schemaErrors(json)).toEqual([]);
});

test.each([
  ["a field of the dashboard that nobody knows", '"editable":', '"editible":', "editible"],
  ["a mode of thresholds that there is not", '"absolute"', '"absolut"', "absolut"],
  ["a word for a number", '"graphTooltip": 1', '"graphTooltip": "crosshair"', "graphTooltip"],
  ["an option of a panel that it has not", '"graphMode"', '"graphMod"', "graphMod"],
  ["a field's setting that it has not", '"fillOpacity"', '"fillOpaque"', "fillOpaque"],
  ["a query without an expression", '"expr"', '"expression"', "expr"],
  ["a kind of panel that Grafana removed", '"type": "timeseries"', '"type": "graph"', "graph"],
])("%s is told", (_, right, wrong, named) => {
  expect(json).toContain(right);
  expect(schemaErrors(json.replaceAll(right, wrong)).join("\n")).toContain(named);
});

test("no panel lies on another, or beyond the 24 columns", () => {
  const { panels } = JSON.parse(json) as { panels: { title: string; gridPos: Place }[] };
  const outside = panels.filter(({ gridPos: { x, w } }) => x < 0 || x + w > 24);
  const overlap = (a: Place, b: Place): boolean =>
    a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
  const pairs = panels.flatMap((one, index) =>
    panels
      .slice(index + 1)
      .filter((other) => overlap(one.gridPos, other.gridPos))
      .map((other) => [one.title, other.title]),
  );
  expect([outside.map(({ title }) => title), pairs]).toEqual([[], []]);
});

test("a promise of three nines is shown with the digits in which it is broken", () => {
  const { panels } = JSON.parse(json) as {
    panels: { title: string; fieldConfig?: { defaults: { decimals?: number } } }[];
  };
  const availability = panels.find(({ title }) => title.startsWith("Availability"));
  expect(availability?.fieldConfig?.defaults.decimals).toBe(3);
});
