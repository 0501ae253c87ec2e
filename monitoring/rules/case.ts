/** What an alert must do with given series. `promtool test rules` plays it: the cases stand beside the rules, and test/rules runs them. */
export interface Case {
  readonly alert: string;
  /** What happens, in words. */
  readonly story: string;
  /** Time between two samples of the series, and between two evaluations; 1m unless told. */
  readonly interval?: string;
  /** Series by its text, `metric{label="value"}`, to its samples in promtool's notation, `1x10 0x5`. */
  readonly series: Readonly<Record<string, string>>;
  /** What fires at which time after the first sample; nothing: []. */
  readonly expect: readonly { readonly at: string; readonly firing: readonly Firing[] }[];
}

/** One alert that fires: the labels of its series, and its value as the annotations show it. */
export interface Firing {
  readonly labels: Readonly<Record<string, string>>;
  readonly value?: string;
}

/** Fires with these labels at this time. */
export function fires(at: string, labels: Readonly<Record<string, string>>, value?: string) {
  return { at, firing: [{ labels, ...(value === undefined ? {} : { value }) }] };
}

/** Nothing fires at this time. */
export function quiet(at: string): Case["expect"][number] {
  return { at, firing: [] };
}
