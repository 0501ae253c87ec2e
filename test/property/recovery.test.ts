import fc from "fast-check";
import { archives, reach, segmentName, segmentNumber, windows } from "../../recovery/archive";
import { planRecovery, stamp } from "../../recovery/plan";
import { beginning, observe } from "../../recovery/progress";
import { targetTime } from "../../recovery/target-time";
import { at, Bucket, segment } from "../recovery-archive";

const segmentBytes = fc.integer({ min: 20, max: 30 }).map((power) => 2 ** power);

test("a segment's name and number say the same, and the next name is the next number", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 2 ** 31 }),
      fc.integer({ min: 0, max: 2 ** 32 }),
      segmentBytes,
      (timeline, number, bytes) => {
        const name = segmentName(timeline, number, bytes);
        expect(name).toMatch(/^[0-9A-F]{24}$/);
        expect(segmentNumber(name, bytes)).toBe(number);
        expect(segmentName(timeline, number + 1, bytes) > name).toBe(true);
      },
    ),
  );
});

test("an instant is the same in whatever zone it is written", () => {
  const instants = fc.date({ min: new Date("1990-01-01"), max: new Date("2100-01-01"), noInvalidDate: true });
  fc.assert(
    fc.property(instants, fc.integer({ min: -14 * 60, max: 14 * 60 }), (date, offset) => {
      const wall = new Date(date.getTime() + offset * 60_000).toISOString().slice(0, -1);
      const [hours, minutes] = [Math.floor(Math.abs(offset) / 60), Math.abs(offset) % 60];
      const zone = `${offset < 0 ? "-" : "+"}${String(hours).padStart(2, "0")}:${String(minutes).padStart(2, "0")}`;
      const read = targetTime(`${wall}${zone}`, "UTC");
      expect("instant" in read && Math.round(read.instant.milliseconds)).toBe(date.getTime());
      // What it is normalized to reads as itself.
      if ("instant" in read) expect(targetTime(read.instant.text, "America/New_York")).toEqual(read);
      expect(targetTime(wall, "Asia/Kathmandu")).toHaveProperty("problem");
    }),
  );
});

/** A base backup at minute 10 that needs segment 3 alone, and some of the segments 3 to 20, one a minute. */
const bucketWithGaps = fc.subarray(Array.from({ length: 18 }, (_, index) => index + 3)).map((numbers) => {
  const bucket = new Bucket().backup("s", "a", 10, [segment(3), segment(3)]);
  for (const number of numbers) bucket.segment("s", segment(number), 7 + number);
  return { numbers, archive: archives(bucket.listing(), "local")[0]! };
});

test("what can be reached ends before the first gap, and the gap is named where later segments are there", () => {
  fc.assert(
    fc.property(bucketWithGaps, ({ numbers, archive }) => {
      const { segments, missing } = reach(archive, archive.backups[0]!);
      const gap = Array.from({ length: 30 }, (_, index) => index + 3).find((number) => !numbers.includes(number))!;
      expect(segments).toEqual(Array.from({ length: gap - 3 }, (_, index) => segment(3 + index)));
      const later = numbers.some((number) => number > gap);
      expect(missing).toBe(later || gap === 3 ? segment(gap) : undefined);
    }),
  );
});

test("a time is planned just where it lies in a window, and never needs a segment that is not there", () => {
  fc.assert(
    fc.property(bucketWithGaps, fc.integer({ min: 0, max: 40 * 60 }), ({ archive }, second) => {
      const milliseconds = at(second / 60);
      const read = targetTime(stamp(milliseconds), "UTC");
      if (!("instant" in read)) throw new Error(read.problem);
      const answer = planRecovery(archive, { kind: "time", instant: read.instant });
      const inside = windows(archive).some(({ from, to }) => from <= milliseconds && milliseconds < to);
      expect("plan" in answer).toBe(inside);
      if (!("plan" in answer)) return;
      expect(answer.plan.segments.every((name) => archive.segments.has(name))).toBe(true);
      // Enough: the last one was stored at or after the time, unless there is no later one.
      const last = archive.segments.get(answer.plan.segments.at(-1)!)!;
      expect(
        last >= milliseconds || answer.plan.segments.length === reach(archive, archive.backups[0]!).segments.length,
      ).toBe(true);
    }),
  );
});

test("no line of a log breaks the progress, and segments are never counted backwards", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.constant(`{"record":{"message":"restored log file \\"${segment(3)}\\" from archive"}}`),
        ),
      ),
      (lines) => {
        let progress = beginning(0);
        for (const line of lines) {
          const next = observe(progress, line, 1);
          expect(next.replayed).toBeGreaterThanOrEqual(progress.replayed);
          progress = next;
        }
      },
    ),
  );
});
