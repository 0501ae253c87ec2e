import { setTimeout as sleep } from "node:timers/promises";
import { twoAtATime } from "../../local/two-at-a-time";

test("all items are worked on, in their order, never more than two at once", async () => {
  const begun: number[] = [];
  let running = 0;
  let most = 0;
  await twoAtATime([1, 2, 3, 4, 5], async (item) => {
    begun.push(item);
    most = Math.max(most, ++running);
    await sleep(5);
    running--;
  });
  expect(begun).toEqual([1, 2, 3, 4, 5]);
  expect(most).toBe(2);
});

test("after a failure nothing more begins, what runs is told and waited for, and the failure is what is thrown", async () => {
  const begun: number[] = [];
  let told = false;
  const all = twoAtATime([1, 2, 3, 4], async (item, failed) => {
    begun.push(item);
    if (item === 1) throw new Error("the first");
    await sleep(20);
    told = failed.aborted;
  });
  await expect(all).rejects.toThrow("the first");
  expect(begun).toEqual([1, 2]);
  expect(told).toBe(true);
});
