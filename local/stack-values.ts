import { validate, type Values } from "../config";
import { project, stackConfiguration } from "./stack-files";

/** What a committed stack is, with these settings over its own. */
export function valuesOf(stack: "local" | "production", settings: Readonly<Record<string, string>>): Values {
  const texts = stackConfiguration(stack, settings);
  return validate(
    project.name,
    (key) => texts[`${project.name}:${key}`],
    () => false,
  );
}
