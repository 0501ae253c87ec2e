import type { Health, Status } from "./judge";

const marks: Readonly<Record<Health, string>> = { healthy: "  ", attention: "! ", unhealthy: "!!" };
const titles: Readonly<Record<Health, string>> = {
  healthy: "HEALTHY",
  attention: "NEEDS ATTENTION",
  unhealthy: "UNHEALTHY",
};

/** A status as one screen of a terminal. */
export function screen({ health, checked, cluster, namespace, lines }: Status): string {
  const todo = lines.flatMap(({ what, next }) => (next === undefined ? [] : [`  - ${what}: ${next}`]));
  return [
    `${cluster} in ${namespace}: ${titles[health]} (${checked.slice(0, 19)}Z)`,
    ...lines.flatMap((line) => [
      `${marks[line.health]} ${line.what.padEnd(12)} ${line.words}`,
      ...(line.details ?? []).map((detail) => `${" ".repeat(18)}${detail}`),
    ]),
    ...(todo.length === 0 ? [] : ["", "To do:", ...todo]),
    "",
  ].join("\n");
}
