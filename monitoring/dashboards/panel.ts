/** A question to Prometheus, and what its series are called in the legend. */
export interface Query {
  readonly expr: string;
  /** Grafana's template, `{{pod}}`; absent where there is one series. */
  readonly legend?: string;
}

/** Something to look at. */
export interface Panel {
  readonly title: string;
  /** What it means, and what is normal. */
  readonly description: string;
  /** stat: the last value, large. values: the last value of each series, by its name. lines: over time. */
  readonly kind: "stat" | "values" | "lines";
  /** Grafana's name of a unit: https://grafana.com/docs/grafana/latest/panels-visualizations/configure-standard-options/ */
  readonly unit: string;
  /** Digits after the point, where Grafana's own choice hides what matters: of 99.86 % it makes 99.9 %. */
  readonly decimals?: number;
  readonly queries: readonly Query[];
  /** From which value on it is amber, and red. Where amber is the larger: below which. */
  readonly limits?: { readonly amber: number; readonly red: number };
  /** Words for values, where a number says little. */
  readonly words?: Readonly<Record<string, { readonly text: string; readonly color: "green" | "red" | "orange" }>>;
}

/** Panels that belong together, under one heading. */
export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}
