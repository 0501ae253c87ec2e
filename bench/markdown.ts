/** Figures and tables as the benchmarks' pages write them. */
import { humanBytes } from "../migration/engine/events";
import type { Heading } from "./results-file";
import type { Summary } from "./statistics";

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), `|${"---|".repeat(head.length)}`, ...rows.map(line)].join("\n");
}

/** A ratio; empty where one of its sides was not measured. */
export const times = (value: number | undefined) => (value === undefined ? "" : value.toFixed(2));

/** The median, and in brackets the least and the most; empty where nothing was measured. */
export function spread(value: Summary | undefined, digits = 1): string {
  if (value === undefined) return "";
  const middle = value.median.toFixed(digits);
  return value.count === 1 ? middle : `${middle} (${value.least.toFixed(digits)}–${value.most.toFixed(digits)})`;
}

/** Text of a tool as prose in Markdown. */
export function plain(text: string): string {
  return text
    .replace(/\s+/g, " ")
    .replace(/[\\`*_[\]<>#|~]/g, "\\$&")
    .slice(0, 400);
}

/** From when to when a run went. */
export function period({ began, ended }: Heading): string {
  return ended === undefined ? `${began}, broken off` : `${began} to ${ended}`;
}

/** What it ran on. @param sharedBy who shares the cores @param instance one instance of PostgreSQL */
export function machineTable({ machine, versions }: Heading, sharedBy: string, instance: string): string {
  return table(
    ["machine", ""],
    [
      ["cores", `${machine.cores} (${machine.processor}), shared by ${sharedBy}`],
      ["memory", humanBytes(machine.memoryBytes)],
      ["system", machine.system],
      ["one instance", instance],
      [
        "versions",
        Object.entries(versions)
          .map(([name, version]) => `${name} ${version}`)
          .join("; "),
      ],
    ],
  );
}
