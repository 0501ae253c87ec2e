const started = process.hrtime.bigint();

function seconds(since: bigint): string {
  return (Number(process.hrtime.bigint() - since) / 1e9).toFixed(1);
}

/** Writes one progress line to stderr: the seconds since this program started, then the text. */
export function step(text: string): void {
  process.stderr.write(`[${seconds(started).padStart(6)} s] ${text}\n`);
}

/** How often {@link during} says that its work still runs, in milliseconds. */
const reminder = 15_000;

/** Runs long work between two progress lines, with a sign of life every 15 seconds; a failure is thrown on, without a second line. */
export async function during<Result>(text: string, work: () => Promise<Result>): Promise<Result> {
  const began = process.hrtime.bigint();
  step(text);
  const timer = setInterval(() => {
    step(`${text}: ${seconds(began)} s so far`);
  }, reminder);
  try {
    const result = await work();
    step(`${text}: done in ${seconds(began)} s`);
    return result;
  } finally {
    clearInterval(timer);
  }
}
