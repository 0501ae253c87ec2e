import * as fs from "node:fs";
import * as path from "node:path";
import { parse } from "yaml";

/** A key as Pulumi.yaml declares it. */
export interface DeclaredKey {
  readonly type: "string" | "integer" | "boolean" | "array" | "object";
  readonly description?: string;
  readonly default?: unknown;
}

/** The stacks whose files are committed. */
export const stacks = ["local", "staging", "production"] as const;
export type StackName = (typeof stacks)[number];

/** The checkout, where the stacks' files are. */
export const root = path.join(__dirname, "..");

/** Pulumi.yaml. */
export const project = parse(fs.readFileSync(path.join(root, "Pulumi.yaml"), "utf8")) as {
  readonly name: string;
  readonly runtime: unknown;
  readonly requiredPulumiVersion: string;
  readonly config: Readonly<Record<string, DeclaredKey>>;
};

/** What a stack's file sets, by key with namespace. */
export function stackFile(stack: string, directory = root): Readonly<Record<string, unknown>> {
  const file = fs.readFileSync(path.join(directory, `Pulumi.${stack}.yaml`), "utf8");
  return (parse(file) as { config?: Record<string, unknown> }).config ?? {};
}

/** What the engine gives the program: the defaults, and over them the stack's own values, all as text. */
export function stackConfiguration(
  stack: string,
  overrides: Readonly<Record<string, string>> = {},
  directory = root,
): Record<string, string> {
  const defaults = Object.entries(project.config).flatMap(([key, declared]) =>
    declared.default === undefined ? [] : [[`${project.name}:${key}`, asText(declared.default)]],
  );
  const own = Object.entries(stackFile(stack, directory)).map(([key, value]) => [key, asText(value)]);
  const over = Object.entries(overrides).map(([key, value]) => [`${project.name}:${key}`, value]);
  return Object.fromEntries([...defaults, ...own, ...over]) as Record<string, string>;
}

function asText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
