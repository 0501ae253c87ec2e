import type { MigrationReport } from "../migration";
import { humanBytes } from "./events";

/**
 * `text` as code in a cell of a Markdown table, whatever it holds. What could end the cell, the code or the line goes as HTML with every such character as a
 * reference; control characters are shown as JSON's escapes.
 */
export function code(text: string): string {
  if (/^[^`|\\<>&\p{Cc}\p{Zl}\p{Zp}\s]([^`|\\<>&\p{Cc}\p{Zl}\p{Zp}]*[^`|\\<>&\p{Cc}\p{Zl}\p{Zp}\s])?$/u.test(text))
    return `\`${text}\``;
  const visible = text.replace(
    /[\p{Cc}\p{Zl}\p{Zp}]/gu,
    (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `<code>${visible.replace(/[^\p{L}\p{N}. ]/gu, (mark) => `&#${mark.codePointAt(0) ?? 0};`)}</code>`;
}

/** `text` as prose: nothing in it is taken for Markdown or HTML, and it stays on its line. */
export function prose(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ")
    .replace(/[\\`*_[\]{}<>#|~&!]/g, "\\$&")
    .trim();
}

/** The report for people, as Markdown. It holds names, counts and hashes, as the report does: no row and no secret. */
export function renderReport(report: MigrationReport): string {
  const { source, target, verification, text, online, amcheck, extensions, tools } = report;
  const facts: [string, string][] = [
    ["finished", `${report.completed}, run ${code(report.run)}`],
    ["source", `${code(source.where)}, PostgreSQL ${prose(source.version)}, ${humanBytes(source.bytes)}`],
    ["target", `${code(target.database)}, PostgreSQL ${prose(target.version)}`],
    ["moved", `${report.tables.length} tables, ${report.rows} rows`],
    ["definitions", `${report.schema.equal ? "equal" : "not equal"}, SHA-256 ${code(report.schema.sha256)}`],
    ["source unchanged", prose(report.sourceUnchanged)],
    ["dump", `${code(report.dump.directory)}, ${humanBytes(report.dump.bytes)}, SHA-256 ${code(report.dump.sha256)}`],
  ];
  if (verification !== undefined) {
    const { seconds, bytes, bytesPerSecond, workersPerSide, rowHash } = verification;
    const speed = `${humanBytes(bytes)} on both sides in ${seconds} s (${humanBytes(bytesPerSecond)}/s, ${workersPerSide} workers a side)`;
    facts.push(["compared", `${speed}, rows by ${prose(rowHash)}`]);
  }
  if (online != null) {
    const { snapshot, freeze, changedRows, tables: changed, frozenSeconds } = online;
    facts.push(
      [
        "online",
        `all rows compared as of WAL position ${code(snapshot)}; ${changedRows} rows of the ${changed.length} tables that changed until ${code(freeze)}, in the freeze`,
      ],
      ["frozen", `${frozenSeconds} s before the switch`],
    );
  }
  if (amcheck !== undefined) {
    const sound = amcheck && `${amcheck.tables} tables and ${amcheck.indexes} btree indexes checked`;
    facts.push(["files of the copy", sound === null ? "not checked: the image has no amcheck" : `${sound}, all sound`]);
  }
  if (text !== undefined) facts.push(["text", `${text.probes} probes, ${text.differing} differ`]);
  if (source.locale !== undefined) facts.push(["locale of the source", code(source.locale)]);
  if (target.locale !== undefined) facts.push(["locale of the target", code(target.locale)]);
  if (tools !== undefined) facts.push(["tools", tools.map(prose).join("; ")]);
  const sections = [
    `# Migration into ${code(target.database)}`,
    table(["", ""], facts),
    "## Warnings",
    report.warnings.length === 0 ? "None." : report.warnings.map((warning) => `- ${prose(warning)}`).join("\n"),
    "## Phases",
    table(
      ["phase", "seconds", "what came of it"],
      report.phases.map(({ phase, seconds, detail }) => [prose(phase), String(seconds), prose(detail ?? "")]),
    ),
    "## Compared and equal",
    table(
      ["what", "how many"],
      Object.entries(report.compared).map(([kind, many]) => [prose(kind), String(many)]),
    ),
    ...(extensions === undefined
      ? []
      : [
          "## Extensions",
          table(
            ["extension", "source", "target"],
            extensions.map(({ extension, source: from, target: to }) => [
              code(extension),
              code(from ?? "none"),
              code(to ?? "none"),
            ]),
          ),
        ]),
    "## Tables",
    table(
      ["table", "rows", "hash"],
      report.tables.map(({ table: name, rows, hash }) => [code(name), String(rows), code(hash)]),
    ),
  ];
  return `${sections.join("\n\n")}\n`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
