/**
 * Does work on each item, two at a time: while one waits for the network, the disk or a step that takes one core alone, the other has the second.
 * A failure begins nothing more, and waits for what still runs.
 *
 * @param work its signal says that another one has failed
 * @throws what the first of them threw
 */
export async function twoAtATime<Item>(
  items: readonly Item[],
  work: (item: Item, failed: AbortSignal) => Promise<void>,
): Promise<void> {
  const left = [...items];
  const failed = new AbortController();
  const worker = async () => {
    while (left.length > 0 && !failed.signal.aborted) {
      try {
        await work(left.shift() as Item, failed.signal);
      } catch (error) {
        failed.abort(error);
        throw error;
      }
    }
  };
  await Promise.allSettled([worker(), worker()]);
  if (failed.signal.aborted) throw failed.signal.reason;
}
