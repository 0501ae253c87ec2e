/**
 * The part of kubectl's JSONPath that `pulumi.com/waitFor` is used with: `{.a.b}`, `{.a['b.c']}`, `{.a\.b}`, `{.list[0]}`, `{.list[*].x}`,
 * `{.list[?(@.type=="Ready")].status}`.
 */
import { isObject, type Value } from "../values";

type Step = (value: Value) => Value[];

/** @throws When the expression is not understood. */
export function parsePath(text: string): (value: Value) => Value[] {
  const inner = /^\{(.*)\}$/s.exec(text.trim())?.[1] ?? text.trim();
  const steps: Step[] = [];
  let rest = inner.replace(/^\$/, "");
  while (rest !== "") {
    const token =
      /^\.?\[\?\(\s*@\.([\w.-]+)\s*==\s*(?:"([^"]*)"|'([^']*)'|([\w.-]+))\s*\)\]/.exec(rest) ??
      /^\.?\[\s*(?:'([^']*)'|"([^"]*)"|(\*)|(-?\d+))\s*\]/.exec(rest) ??
      /^\.((?:[^.[\]\\]|\\.)+)/.exec(rest);
    if (token === null) throw new Error(`cannot read the JSONPath ${JSON.stringify(text)} at ${JSON.stringify(rest)}`);
    steps.push(step(token));
    rest = rest.slice(token[0].length);
  }
  return (value) => steps.reduce((found, next) => found.flatMap(next), [value]);
}

function step(token: RegExpExecArray): Step {
  const [whole] = token;
  if (whole.includes("[?")) {
    const [, path = "", ...expected] = token;
    const select = parsePath(`.${path}`);
    const wanted = expected.find(Boolean) ?? "";
    return (value) => items(value).filter((item) => select(item).some((found) => asText(found) === wanted));
  }
  if (whole.endsWith("]")) {
    const [, single, double, all, index] = token;
    if (all !== undefined) return items;
    if (index !== undefined) return (value) => (Array.isArray(value) ? present(value.at(Number(index))) : []);
    return field(single ?? double ?? "");
  }
  return field((token[1] ?? "").replace(/\\(.)/g, "$1"));
}

function field(name: string): Step {
  if (name === "*") return items;
  return (value) => (isObject(value) ? present(value[name]) : []);
}

function items(value: Value): Value[] {
  return Array.isArray(value) ? value : isObject(value) ? Object.values(value) : [];
}

function present(value: Value | undefined): Value[] {
  return value === undefined ? [] : [value];
}

function asText(value: Value): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
