/** The steps of a script, which prints `at STEP SECONDS` when it begins and after each: what each took, and when the last was done, in milliseconds. */
export interface Steps {
  readonly parts: Readonly<Record<string, number>>;
  readonly ended: number;
}

export function readSteps(log: string): Steps {
  const steps = [...log.matchAll(/^at (\S+) (\d+\.\d+)$/gm)].map(([, step = "", at]) => ({ step, at: Number(at) }));
  const parts = steps.slice(1).map(({ step, at }, place) => [step, at - (steps[place]?.at ?? at)] as const);
  return { parts: Object.fromEntries(parts), ended: (steps.at(-1)?.at ?? 0) * 1000 };
}
