import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { run } from "../../local/run";
import { metricsIn } from "../../monitoring/metrics";
import type { Case, Firing } from "../../monitoring/rules/case";
import { cases } from "../../monitoring/rules/cases";
import { example } from "../../monitoring/rules/example";
import { peaceful } from "../../monitoring/rules/peaceful";
import { annotations, where, type Alert, type Group } from "../../monitoring/rules/rule";
import { alerts, groups, ruleFile } from "../../monitoring/rules/rules";
import { promtool } from "../promtool";

const rendered = ruleFile(example);
const all = alerts(example);
const defaultInterval = "1m";
let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "naytife-rules-"));
  for (const group of rendered.groups) write(`${group.name}.yaml`, { groups: [group] });
});
afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

function write(file: string, content: unknown): string {
  const path = join(directory, file);
  writeFileSync(path, stringify(content, { lineWidth: 0 }));
  return path;
}

test("Prometheus takes every rule", async () => {
  const file = write("all.yaml", rendered);
  const rules = rendered.groups.reduce((sum, group) => sum + group.rules.length, 0);
  expect(await run(await promtool(), ["check", "rules", file])).toContain(`SUCCESS: ${rules} rules found`);
});

/** Groups, and before them those whose recordings they read, as promtool is told of them. */
function ruleFiles(wanted: readonly Group[]) {
  const needed = groups(example).filter((group) => wanted.some((one) => one.name === group.name || reads(one, group)));
  return {
    rule_files: needed.map(({ name }) => join(directory, `${name}.yaml`)),
    group_eval_order: needed.map(({ name }) => name),
  };
}

function reads(reader: Group, { recordings }: Group): boolean {
  const expressions = [...reader.alerts, ...reader.recordings].map(({ expr }) => expr);
  const names = new Set(expressions.flatMap(metricsIn));
  return recordings.some(({ record }) => names.has(record));
}

/** What promtool finds wrong in files of tests; nothing: "". */
async function failure(files: readonly string[]): Promise<string> {
  try {
    await run(await promtool(), ["test", "rules", ...files]);
    return "";
  } catch (error) {
    return String(error);
  }
}

/** The text that a template becomes: labels by their names, and the value as the case says that it is shown. */
function text(template: string, { labels, value }: Firing): string {
  return template
    .replace(/\{\{ \$labels\.(\w+) \}\}/g, (_, label: string) => labels[label] ?? `no label ${label}`)
    .replace(/\{\{ \$value[^}]* \}\}/g, value ?? "the case does not tell the value");
}

/** A group of promtool's rule tests: the fields as it names them. */
function promtoolTest(alert: Alert, { story, series, interval = defaultInterval, expect: expected }: Case) {
  const texts = annotations(alert, example.runbooks);
  return {
    interval,
    name: story,
    input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
    alert_rule_test: expected.map(({ at, firing }) => ({
      eval_time: at,
      alertname: alert.name,
      exp_alerts: firing.map((one) => ({
        exp_labels: { ...one.labels, severity: alert.severity, ...where(example) },
        exp_annotations: Object.fromEntries(
          Object.entries(texts).map(([name, template]) => [name, text(template as string, one)]),
        ),
      })),
    })),
  };
}

describe.each(all.map((alert) => [alert.name, alert] as const))("%s", (name, alert) => {
  const own = cases.filter((one) => one.alert === name);
  const firesAt = ({ expect: expected }: Case): boolean[] => expected.map(({ firing }) => firing.length > 0);

  test("has cases in which it fires, stays silent, and resolves", () => {
    const stories = own.map(firesAt);
    expect({
      fires: stories.some((story) => story.includes(true)),
      silent: stories.some((story) => !story.includes(true)),
      resolves: stories.some((story) => story.includes(true) && !story.slice(story.lastIndexOf(true)).every(Boolean)),
    }).toEqual({ fires: true, silent: true, resolves: true });
  });

  test("does in each case what it should", async () => {
    const group = groups(example).find(({ alerts: of }) => of.some((one) => one.name === name))!;
    // promtool has one evaluation interval a file.
    const files = [...new Set(own.map(({ interval }) => interval))].map((interval = defaultInterval) =>
      write(`${name}.${interval}.test.yaml`, {
        ...ruleFiles([group]),
        evaluation_interval: interval,
        tests: own
          .filter((one) => (one.interval ?? defaultInterval) === interval)
          .map((one) => promtoolTest(alert, one)),
      }),
    );
    expect(await failure(files)).toBe("");
  }, 120_000);
});

test.each(peaceful.map((one) => [one.story, one] as const))(
  "nobody is woken by %s",
  async (_, { interval, series, at }) => {
    const pages = all.filter(({ severity }) => severity === "page");
    const file = write("peaceful.test.yaml", {
      ...ruleFiles(groups(example).filter(({ alerts: of }) => of.some(({ severity }) => severity === "page"))),
      evaluation_interval: interval,
      tests: [
        {
          interval,
          input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
          alert_rule_test: pages.flatMap(({ name }) => at.map((time) => ({ eval_time: time, alertname: name }))),
        },
      ],
    });
    expect(await failure([file])).toBe("");
  },
  120_000,
);

test("no case is of an alert that is not there", () => {
  const names = all.map(({ name }) => name);
  expect(cases.filter(({ alert }) => !names.includes(alert)).map(({ alert }) => alert)).toEqual([]);
});
