import type { Panel, Row } from "../../monitoring/dashboards/panel";

/** A series of a range query: seconds since 1970, and the value as Prometheus writes it. */
export interface Line {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [number, string])[];
}

/** From when to when, in seconds since 1970, and how far apart the points are. */
export interface Span {
  readonly from: number;
  readonly to: number;
  readonly step: number;
}

/** A series as it is drawn. */
interface Drawn {
  readonly name: string;
  readonly points: readonly (readonly [number, number])[];
}

const colors = [
  "#3274d9",
  "#e0752d",
  "#56a64b",
  "#a352cc",
  "#c4162a",
  "#b8860b",
  "#1f9e9e",
  "#d05c9c",
  "#707070",
  "#8b5a2b",
];
const colorOf = { green: "#37872d", orange: "#e0752d", red: "#c4162a" } as const;

const plain = (value: number): string => String(Number(value.toPrecision(3)));
/** A value with the largest of the prefixes that leaves a digit before the point. */
const scaled = (value: number, base: number, names: readonly string[]): string => {
  let left = value;
  let index = 0;
  while (Math.abs(left) >= base && index < names.length - 1) {
    left /= base;
    index++;
  }
  return `${plain(left)}${names[index] ?? ""}`;
};
const duration = (seconds: number): string => {
  const size = Math.abs(seconds);
  if (size !== 0 && size < 0.001) return `${plain(seconds * 1e6)} µs`;
  if (size !== 0 && size < 1) return `${plain(seconds * 1e3)} ms`;
  if (size < 60) return `${plain(seconds)} s`;
  if (size < 3600) return `${plain(seconds / 60)} min`;
  return size < 86_400 ? `${plain(seconds / 3600)} h` : `${plain(seconds / 86_400)} d`;
};
const bytes = ["B", "KiB", "MiB", "GiB", "TiB"].map((name) => ` ${name}`);
/** Grafana's own choice of digits: three, and no fewer than are before the point. */
const percent = (value: number, decimals?: number): string => {
  const digits = value === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return `${value.toFixed(decimals ?? (Number.isInteger(value) ? 0 : digits))}%`;
};
const iso = (milliseconds: number): string => new Date(milliseconds).toISOString().slice(0, 19).replace("T", " ");

/** How Grafana writes values of the units that the dashboard uses. One that is not here is not drawn as a bare number: see {@link drawn}. */
const units: Readonly<Record<string, (value: number, now: number, decimals?: number) => string>> = {
  none: plain,
  short: (value) => scaled(value, 1000, ["", " K", " Mil", " Bil"]),
  ops: (value) => `${scaled(value, 1000, ["", " K", " M"])} ops/s`,
  s: duration,
  µs: (value) => duration(value / 1e6),
  bytes: (value) => scaled(value, 1024, bytes),
  Bps: (value) => `${scaled(value, 1000, [" B", " kB", " MB", " GB"])}/s`,
  percentunit: (value, _, decimals) => percent(value * 100, decimals),
  dateTimeAsIso: iso,
  dateTimeFromNow: (milliseconds, now) => `${duration(now - milliseconds / 1000)} ago`,
};

/** @throws Error where Grafana's unit is not known here: a misspelt one would be a suffix behind each number */
function formatter({ title, unit, decimals }: Panel): (value: number, now: number) => string {
  const format = units[unit];
  if (format === undefined) throw new Error(`panel ${title}: nobody knows how the unit ${unit} is written`);
  return (value, now) => format(value, now, decimals);
}

const escaped = (text: string): string => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);

/** Grafana's template of a legend, filled. */
const named = (template: string, { metric }: Line): string =>
  template.replace(/\{\{(\w+)\}\}/g, (_, label: string) => metric[label] ?? "");

/**
 * The dashboard on one page, of what a Prometheus answered to each question of each panel: what a Grafana would show, for those who have none. A panel without data says so.
 *
 * @param answers by expression, as the panel has it
 */
export function drawn(
  title: string,
  rows: readonly Row[],
  answers: ReadonlyMap<string, readonly Line[]>,
  span: Span,
): string {
  const body = rows.map((row) => {
    const panels = row.panels.map((panel) => drawnPanel(panel, answers, span));
    return `<h2>${escaped(row.title)}</h2>\n<section>\n${panels.join("\n")}\n</section>`;
  });
  return `<!doctype html>
<meta charset="utf-8">
<title>${escaped(title)}</title>
<style>
body { font: 12px sans-serif; margin: 12px; width: 1560px; background: #f4f5f5; color: #222 }
section { display: grid; grid-template-columns: repeat(6, 1fr); gap: 8px }
article { background: #fff; border: 1px solid #ddd; padding: 6px; grid-column: span 2 }
article.stat { grid-column: span 1 }
h1, h2 { margin: 12px 0 6px } h3 { margin: 0 } p { margin: 2px 0; color: #666 } b { font-size: 22px }
.empty { color: #c4162a } i { display: inline-block; width: 10px; height: 3px; margin: 0 4px 3px 10px }
</style>
<h1>${escaped(title)}, ${iso(span.from * 1000)} to ${iso(span.to * 1000)}</h1>
${body.join("\n")}
`;
}

function drawnPanel(panel: Panel, answers: ReadonlyMap<string, readonly Line[]>, span: Span): string {
  const series = panel.queries.flatMap(({ expr, legend }) =>
    (answers.get(expr) ?? []).map((line): Drawn => ({
      name: named(legend ?? panel.title, line),
      points: line.values
        .map(([at, value]) => [at, Number(value)] as const)
        .filter(([, value]) => Number.isFinite(value)),
    })),
  );
  const some = series.filter(({ points }) => points.length > 0);
  const content =
    some.length === 0
      ? `<b class="empty">No data</b>`
      : panel.kind === "lines"
        ? chart(panel, some, span)
        : values(panel, some, span);
  return `<article class="${panel.kind}"><h3>${escaped(panel.title)}</h3><p>${escaped(panel.description)}</p>${content}</article>`;
}

/** The last value of each, in its colour. What has none at the end is not there any more. */
function values(panel: Panel, series: readonly Drawn[], { to, step }: Span): string {
  const format = formatter(panel);
  const shown = series.flatMap(({ name, points }) => {
    const [at, value] = points.at(-1) ?? [0, 0];
    if (at < to - 2 * step) return [];
    const word = panel.words?.[String(value)];
    const color = colorOf[word?.color ?? severity(panel, value)];
    const label = panel.kind === "stat" ? "" : ` ${escaped(name)}`;
    return [`<div><b style="color: ${color}">${escaped(word?.text ?? format(value, to))}</b>${label}</div>`];
  });
  return shown.length === 0 ? `<b class="empty">No data</b>` : shown.join("");
}

function severity({ limits }: Panel, value: number): keyof typeof colorOf {
  if (limits === undefined) return "green";
  const { amber, red } = limits;
  if (amber <= red) return value >= red ? "red" : value >= amber ? "orange" : "green";
  return value >= amber ? "green" : value >= red ? "orange" : "red";
}

const width = 500;
const height = 190;
/** Room for the axes' words. */
const margin = { left: 78, right: 8, top: 8, bottom: 18 };

function chart(panel: Panel, series: readonly Drawn[], span: Span): string {
  const format = formatter(panel);
  const all = series.flatMap(({ points }) => points.map(([, value]) => value));
  // As Grafana does: the axis is of the data, limits or not, and begins wherever they do. A flat line gets room on both sides.
  const [least, most] = [Math.min(...all), Math.max(...all)];
  const room = least === most ? Math.abs(least) / 2 || 1 : (most - least) / 20;
  const [low, high] = [least >= 0 ? Math.max(0, least - room) : least - room, most + room];
  const x = (at: number): number =>
    margin.left + ((at - span.from) / (span.to - span.from)) * (width - margin.left - margin.right);
  const y = (value: number): number =>
    height - margin.bottom - ((value - low) / (high - low)) * (height - margin.top - margin.bottom);
  const parts = [0, 1, 2, 3, 4].map((index) => {
    const value = low + ((high - low) * index) / 4;
    return (
      `<line x1="${margin.left}" x2="${width - margin.right}" y1="${y(value)}" y2="${y(value)}" stroke="#e4e4e4"/>` +
      `<text x="${margin.left - 4}" y="${y(value) + 4}" text-anchor="end" font-size="10">${escaped(format(value, span.to))}</text>`
    );
  });
  for (const index of [0, 1, 2, 3]) {
    const at = span.from + ((span.to - span.from) * (index + 0.5)) / 4;
    parts.push(
      `<text x="${x(at)}" y="${height - 4}" text-anchor="middle" font-size="10">${iso(at * 1000).slice(11)}</text>`,
    );
  }
  for (const [name, limit] of Object.entries(panel.limits ?? {})) {
    if (limit < low || limit > high) continue;
    const color = name === "red" ? colorOf.red : colorOf.orange;
    parts.push(
      `<line x1="${margin.left}" x2="${width - margin.right}" y1="${y(limit)}" y2="${y(limit)}" stroke="${color}" stroke-dasharray="6 4"/>`,
    );
  }
  series.forEach(({ points }, index) => {
    // A gap is where nothing was seen, and no line leads across it.
    const path = points.map(([at, value], point) => {
      const before = points[point - 1]?.[0];
      const joined = before !== undefined && at - before <= 1.5 * span.step;
      return `${joined ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}h0`;
    });
    parts.push(
      `<path d="${path.join("")}" fill="none" stroke="${colors[index % colors.length] ?? ""}" stroke-width="1.5" stroke-linecap="round"/>`,
    );
  });
  const legend = series.map(({ name, points }, index) => {
    const last = points.at(-1)?.[1] ?? 0;
    return `<span><i style="background: ${colors[index % colors.length] ?? ""}"></i>${escaped(name)} (${escaped(format(last, span.to))})</span>`;
  });
  return `<svg width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">${parts.join("")}</svg><div>${legend.join(" ")}</div>`;
}
