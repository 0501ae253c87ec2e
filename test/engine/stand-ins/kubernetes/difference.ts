/** What changed between the object in the cluster, as far as the program had a say in it, and what the program wants now. */
import { quantity } from "../../../../postgresql/quantity";
import type { PropertyChange } from "../provider";
import { containsUnknown, equal, isObject, type Properties, type Value } from "../values";

/**
 * Compares the live object, reduced to the fields that the old inputs had, with the new inputs.
 * Fields that the cluster fills in are thereby no difference; fields that it changed are.
 */
export function difference(live: Properties, oldInputs: Properties, news: Properties): Map<string, PropertyChange> {
  const changes = new Map<string, PropertyChange>();
  const context: Context = { builtIn: isBuiltIn(news.apiVersion), changes };
  compare("", live, oldInputs, news, context);
  return changes;
}

/** The live object with those fields alone that the inputs have. */
export function prune(live: Value, inputs: Value): Value {
  if (isObject(live) && isObject(inputs))
    return Object.fromEntries(
      Object.entries(live).flatMap(([key, value]) => {
        const input = inputs[key];
        return input === undefined ? [] : [[key, prune(value, input)]];
      }),
    );
  // Items beyond those that the program set are the cluster's.
  if (Array.isArray(live) && Array.isArray(inputs))
    return live.slice(0, inputs.length).map((item, index) => prune(item, inputs[index] ?? null));
  return live;
}

/** Whether `path` lies at or below `ignored`, as in the resource option ignoreChanges. */
export function isIgnored(path: string, ignored: readonly string[]): boolean {
  return ignored.some((prefix) => {
    const expression = prefix
      .replace(/^\./, "")
      .replace(/[.+?^${}()|\\]/g, "\\$&")
      .replace(/\[\*\]/g, "[#]")
      .replace(/\*/g, "[^.]+")
      .replace(/\[#\]/g, "\\[[^\\]]+\\]")
      .replace(/\[("[^"]*"|\d+)\]/g, "\\[$1\\]");
    return new RegExp(`^${expression}($|[.[])`).test(path);
  });
}

interface Context {
  /** A kind of Kubernetes' own: its server leaves out zero values and rewrites quantities. */
  readonly builtIn: boolean;
  readonly changes: Map<string, PropertyChange>;
}

function compare(
  path: string,
  live: Value | undefined,
  old: Value | undefined,
  wanted: Value | undefined,
  context: Context,
): void {
  // What the program never set is the cluster's own business.
  if (isAbsent(wanted, context) && isAbsent(old, context)) return;
  if (isObject(wanted) && isObject(live)) {
    const oldFields = isObject(old) ? old : {};
    for (const key of new Set([...Object.keys(oldFields), ...Object.keys(wanted)]))
      compare(join(path, key), live[key], oldFields[key], wanted[key], context);
    return;
  }
  if (Array.isArray(wanted) && Array.isArray(live)) {
    const oldItems = Array.isArray(old) ? old : [];
    // As in `prune`: items beyond those that the program set are the cluster's.
    for (let index = 0; index < Math.max(wanted.length, oldItems.length); index++)
      compare(`${path}[${String(index)}]`, live[index], oldItems[index], wanted[index], context);
    return;
  }
  if (isAbsent(live, context)) {
    // Dropped or defaulted away by the server at once, as it was asked for: no difference.
    if (isAbsent(wanted, context) || (equal(old, wanted) && !containsUnknown(wanted))) return;
    context.changes.set(path, live === undefined || live === null ? "add" : "update");
    return;
  }
  if (isAbsent(wanted, context)) {
    context.changes.set(path, wanted === undefined || wanted === null ? "delete" : "update");
    return;
  }
  const same = equal(live, wanted) || (context.builtIn && sameQuantity(live, wanted));
  if (!same) context.changes.set(path, "update");
}

/** Whether a value counts as not there. */
function isAbsent(value: Value | undefined, { builtIn }: Context): boolean {
  if (value === undefined || value === null) return true;
  if (isObject(value)) return Object.keys(value).length === 0;
  if (Array.isArray(value)) return value.length === 0;
  return builtIn && (value === "" || value === false || value === 0);
}

function join(path: string, key: string): string {
  if (!/^[A-Za-z_][\w-]*$/.test(key)) return `${path}[${JSON.stringify(key)}]`;
  return path === "" ? key : `${path}.${key}`;
}

function isBuiltIn(apiVersion: Value | undefined): boolean {
  if (typeof apiVersion !== "string") return false;
  const [group = "", version] = apiVersion.split("/");
  return version === undefined || !group.includes(".") || group.endsWith(".k8s.io");
}

/** Whether both are Kubernetes quantities of the same amount, as `1000m` and `1`. */
function sameQuantity(left: Value | undefined, right: Value | undefined): boolean {
  const [first, second] = [amount(left), amount(right)];
  return first !== undefined && second !== undefined && Math.abs(first - second) <= 1e-12 * Math.abs(first);
}

function amount(value: Value | undefined): number | undefined {
  return typeof value === "string" ? quantity(value) : typeof value === "number" ? value : undefined;
}
