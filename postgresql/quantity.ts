const multipliers: Readonly<Record<string, number>> = {
  m: 1e-3,
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/**
 * The number that a Kubernetes quantity stands for: bytes of "2Gi", cores of "500m".
 *
 * Plain decimals with a suffix only, without sign or exponent: "1e3" and "-1" are quantities to Kubernetes, and
 * mistakes in a stack file.
 *
 * @returns undefined when the text is no such quantity
 * @see https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
 */
export function quantity(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(m|k|[KMGTPE]i?)?$/.exec(text);
  const multiplier = multipliers[match?.[2] ?? ""];
  if (match?.[1] === undefined || multiplier === undefined) {
    return undefined;
  }
  return Number(match[1]) * multiplier;
}
