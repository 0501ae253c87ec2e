import { Engine } from "../engine/engine";
import { humanBytes } from "../engine/events";
import { type Estimate, type Finding, type Plan, type Severity, severities, type Sizes, spread } from "../engine/plan";
import type { Settings } from "../engine/settings";

/** By the gravest finding. A plan that could not look ends with 3. */
const exitCodes: Readonly<Record<Severity, number>> = { info: 0, warning: 1, blocker: 2 };

/** Looks at both sides as the migration's preflight would, changes neither, and prints everything it found. @returns exit code, see {@link exitCode} */
export async function plan(settings: Settings, options: { readonly json: boolean }): Promise<number> {
  const engine = new Engine(settings, (line) => process.stderr.write(`[plan] ${line}\n`));
  // A terminal's Ctrl-C comes twice: to this process, and by way of npm.
  let leaving: Promise<void> | undefined;
  const interrupted = () => {
    leaving ??= engine.abandonPlan().finally(() => process.exit(3));
  };
  process.on("SIGINT", interrupted).on("SIGTERM", interrupted);
  const found = await engine.plan();
  process.stdout.write(options.json ? `${JSON.stringify(found, null, 2)}\n` : render(found));
  return exitCode(found);
}

/** 0: ready. 1: ready, with warnings. 2: something is in the way. */
export function exitCode({ findings }: Plan): number {
  return Math.max(0, ...findings.map(({ severity }) => exitCodes[severity]));
}

const titles: Readonly<Record<Severity, string>> = {
  blocker: "IN THE WAY",
  warning: "COMES ALONG CHANGED, OR WANTS A DECISION",
  info: "GOOD TO KNOW",
};

/** A plan for a person. */
export function render(found: Plan): string {
  const { findings, sizes, clients, estimate } = found;
  const blocks = [
    headline(findings),
    ...severities.map((severity) => {
      const those = findings.filter((finding) => finding.severity === severity);
      return those.length === 0 ? "" : `${titles[severity]}\n${those.map(entry).join("\n")}`;
    }),
    sizes === undefined ? "" : sizesBlock(sizes),
    estimate === undefined ? "" : estimateBlock(estimate),
    clients === undefined
      ? ""
      : clients.length === 0
        ? "CLIENTS NOW\n  none"
        : `CLIENTS NOW (ended at the freeze)\n${table(
            ["application", "user", "connections", "busy"],
            clients.map((one) => [one.application, one.user, String(one.connections), String(one.busy)]),
          )}`,
  ];
  return `${blocks.filter((block) => block !== "").join("\n\n")}\n`;
}

function headline(findings: readonly Finding[]): string {
  const count = (severity: Severity) => findings.filter((finding) => finding.severity === severity).length;
  const [blockers, warnings] = [count("blocker"), count("warning")];
  const noun = (many: number, what: string) => `${many} ${what}${many === 1 ? "" : "s"}`;
  if (blockers > 0) return `BLOCKED: ${noun(blockers, "thing")} in the way, ${noun(warnings, "warning")}`;
  return warnings > 0 ? `READY, with ${noun(warnings, "warning")}` : "READY";
}

function entry({ text, next }: Finding): string {
  return `  - ${text}${next === undefined ? "" : `\n    Next: ${next}`}`;
}

function sizesBlock(sizes: Sizes): string {
  const rows = sizes.largest.map((one) => [
    one.table,
    humanBytes(one.bytes),
    humanBytes(one.indexes),
    one.rows === null ? "not counted yet" : `about ${one.rows}`,
  ]);
  return [
    `SIZES\n  database ${humanBytes(sizes.database)}: tables ${humanBytes(sizes.tables)}, indexes ${humanBytes(sizes.indexes)}, large objects ${humanBytes(sizes.largeObjects)}`,
    table([`largest of ${sizes.count}`, "size", "indexes", "rows"], rows),
  ].join("\n");
}

function estimateBlock({ seconds, how, targetBytes, dumpBytes, walBytes }: Estimate): string {
  return [
    "ESTIMATES",
    ...(seconds === undefined ? ["  time   not estimated"] : timeLines(seconds)),
    `         ${how}`,
    `  disk   ${humanBytes(targetBytes)} on the target, ${humanBytes(dumpBytes)} for the dump if it compresses to a third, about ${humanBytes(walBytes)} of WAL to replicate and archive`,
  ].join("\n");
}

function timeLines({ fixed, copy, index, verify }: NonNullable<Estimate["seconds"]>): string[] {
  const total = fixed + copy + index + verify;
  return [
    `  time   about ${duration(total / spread)} to ${duration(total * spread)} from the freeze to the cut-over, while the source is read-only`,
    `         about ${duration(fixed)} whatever the rows, copy ${duration(copy)}, indexes ${duration(index)}, comparison ${duration(verify)}`,
  ];
}

/** Seconds in words. */
export function duration(seconds: number): string {
  if (seconds < 1) return "below 1 s";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const width = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)));
  return [head, ...rows]
    .map((row) => `  ${row.map((cell, column) => cell.padEnd(width[column] ?? 0)).join("  ")}`.trimEnd())
    .join("\n");
}
