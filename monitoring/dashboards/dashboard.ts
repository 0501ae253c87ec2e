import { createHash } from "node:crypto";
import {
  BigValueColorMode,
  BigValueGraphMode,
  BigValueTextMode,
  GraphThresholdsStyleConfigBuilder,
  GraphThresholdsStyleMode,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from "@grafana/grafana-foundation-sdk/common";
import {
  DashboardBuilder,
  DashboardCursorSync,
  DatasourceVariableBuilder,
  MappingType,
  RowBuilder,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  type Threshold,
  type ValueMapping,
} from "@grafana/grafana-foundation-sdk/dashboard";
import { DataqueryBuilder } from "@grafana/grafana-foundation-sdk/prometheus";
import { PanelBuilder as StatBuilder } from "@grafana/grafana-foundation-sdk/stat";
import { PanelBuilder as LinesBuilder } from "@grafana/grafana-foundation-sdk/timeseries";
import { oneLine } from "../rules/rule";
import type { MonitoringSettings } from "../settings";
import type { Panel } from "./panel";
import { rows } from "./rows";

/** Which Prometheus is asked is chosen on the dashboard: its name is Grafana's business. */
const datasource = { type: "prometheus", uid: "${datasource}" };

/**
 * The dashboard as Grafana's sidecar takes it: bare JSON. One a stack: it asks for one namespace alone, and its uid and title say which.
 */
export function dashboardJson(settings: MonitoringSettings): string {
  const { namespace, cluster } = settings.watched;
  // Its successor makes Grafana's schema v2; this one is what Grafana 10 and later read from a sidecar's files.
  // eslint-disable-next-line @typescript-eslint/no-deprecated
  const builder = new DashboardBuilder(`PostgreSQL ${namespace}`)
    // At most 40 characters.
    .uid(`${cluster}-${createHash("sha256").update(namespace).digest("hex").slice(0, 12)}`)
    .description(`${cluster} in ${namespace}. Made by the stack: changes are undone by the next update.`)
    .tags(["postgresql", "cloudnative-pg", namespace])
    .readonly()
    .tooltip(DashboardCursorSync.Crosshair)
    .refresh("30s")
    .time({ from: "now-3h", to: "now" })
    .timezone("utc")
    .withVariable(new DatasourceVariableBuilder("datasource").label("Prometheus").type("prometheus"));
  let id = 0;
  for (const row of rows(settings)) {
    builder.withRow(new RowBuilder(row.title).id(++id));
    for (const panel of row.panels) builder.withPanel(grafanaPanel(panel).id(++id));
  }
  return JSON.stringify(builder.build(), undefined, 1);
}

function grafanaPanel(panel: Panel): LinesBuilder | StatBuilder {
  const made = panel.kind === "lines" ? lines(panel) : values(panel);
  made
    .title(panel.title)
    .description(panel.description)
    .datasource(datasource)
    .unit(panel.unit)
    .thresholds(new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(steps(panel)))
    .mappings(mappings(panel));
  if (panel.decimals !== undefined) made.decimals(panel.decimals);
  panel.queries.forEach(({ expr, legend }, index) => {
    const query = new DataqueryBuilder()
      .refId(String.fromCharCode("A".charCodeAt(0) + index))
      .datasource(datasource)
      .expr(oneLine(expr))
      .legendFormat(legend ?? panel.title);
    made.withTarget(panel.kind === "lines" ? query.range() : query.instant());
  });
  return made;
}

function lines(panel: Panel): LinesBuilder {
  const builder = new LinesBuilder()
    .span(8)
    .height(8)
    .fillOpacity(8)
    .showPoints(VisibilityMode.Never)
    .legend(
      new VizLegendOptionsBuilder()
        .showLegend(true)
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom),
    )
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi));
  return panel.limits === undefined
    ? builder
    : builder.thresholdsStyle(new GraphThresholdsStyleConfigBuilder().mode(GraphThresholdsStyleMode.Dashed));
}

function values(panel: Panel): StatBuilder {
  return new StatBuilder()
    .span(panel.kind === "stat" ? 4 : 8)
    .height(panel.kind === "stat" ? 4 : 8)
    .graphMode(BigValueGraphMode.None)
    .colorMode(BigValueColorMode.Value)
    .textMode(panel.kind === "stat" ? BigValueTextMode.Value : BigValueTextMode.ValueAndName)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(["lastNotNull"]));
}

/** Grafana colours from a value on; the lowest step has none. */
function steps({ limits }: Panel): Threshold[] {
  if (limits === undefined) return [{ value: null, color: "green" }];
  const { amber, red } = limits;
  return amber <= red
    ? [
        { value: null, color: "green" },
        { value: amber, color: "orange" },
        { value: red, color: "red" },
      ]
    : [
        { value: null, color: "red" },
        { value: red, color: "orange" },
        { value: amber, color: "green" },
      ];
}

function mappings({ words }: Panel): ValueMapping[] {
  if (words === undefined) return [];
  const options = Object.fromEntries(Object.entries(words).map(([value, { text, color }]) => [value, { text, color }]));
  return [{ type: MappingType.ValueToText, options }];
}
