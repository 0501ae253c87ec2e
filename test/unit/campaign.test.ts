import * as fc from "fast-check";
import { longestGap } from "../campaign/gap";
import { matters, moments, opening, plan, slice, victims } from "../campaign/plan";
import { table } from "../campaign/table";

/** Who may be hit without the run's coming to a bad end. */
const mayEndWell = /engine|Pulumi|network|connections|disk/;
const seeds = fc.integer({ min: 0, max: 2 ** 31 });

test.each(["offline", "online"] as const)(
  "%s: the first migrations kill at every moment once, and nobody again before all were",
  (mode) => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const kills = plan(seed, opening[mode], mode).flat();
        expect(kills.map(({ at }) => at).sort()).toEqual([...moments(mode)].sort());
        expect(new Set(kills.map(({ victim }) => victim)).size).toBe(Math.min(kills.length, victims.length));
      }),
      { numRuns: 20 },
    );
  },
  60_000,
);

test("the slice kills twice before the copy is compared and at all moments behind that, and the target's server where only the switch can notice it", () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const migrations = slice(seed);
      for (const kills of migrations) {
        const places = kills.map(({ at }) => moments("offline").indexOf(at));
        expect(places).toEqual([...places].sort((a, b) => a - b));
      }
      const kills = migrations.flat();
      expect(kills.map(({ at }) => at)).toEqual(expect.arrayContaining(["compared", "switch", "switched", "end"]));
      expect(kills).toHaveLength(6);
      expect(kills.find(({ at }) => at === "compared")?.victim).toBe("the target's server");
      expect(kills.filter(({ victim, at }) => !matters(victim, at) || mayEndWell.test(victim))).toEqual([]);
    }),
    { numRuns: 100 },
  );
});

test("the same seed is the same plan, a longer one begins alike, another seed is another plan", () => {
  fc.assert(
    fc.property(seeds, fc.integer({ min: 0, max: 20 }), (seed, count) => {
      expect(plan(seed, count, "offline")).toEqual(plan(seed, 20, "offline").slice(0, count));
    }),
    { numRuns: 20 },
  );
  expect(plan(1, 4, "offline")).not.toEqual(plan(2, 4, "offline"));
});

test("each migration has one to six kills, each of which can matter, and none behind one that the run may survive", () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      for (const kills of plan(seed, 30, "online")) {
        expect(kills.length).toBeGreaterThanOrEqual(1);
        expect(kills.length).toBeLessThanOrEqual(6);
        expect(kills.filter(({ victim, at }) => !matters(victim, at))).toEqual([]);
        const earlier = kills.slice(0, -1);
        expect(
          earlier.filter(
            ({ victim, at }) =>
              mayEndWell.test(victim) ||
              at === "switched" ||
              at === "end" ||
              (at === "begin" && victim.startsWith("the target's")) ||
              (at === "catch up" && victim === "the sessions on the source"),
          ),
        ).toEqual([]);
      }
    }),
    { numRuns: 20 },
  );
});

test("later migrations are killed at random points, not at the moments alone", () => {
  const later = plan(7, 200, "offline").slice(opening.offline).flat();
  expect(new Set(later.map(({ after }) => after)).size).toBeGreaterThan(later.length / 2);
  expect(new Set(later.map(({ victim }) => victim)).size).toBe(victims.length);
  expect(new Set(later.map(({ at }) => at)).size).toBe(moments("offline").length);
});

test("the table tells who was hit in which phase, what was wrong after it, and what came too late", () => {
  const lines = table([
    { victim: "the Job", hitIn: "copy", faults: 0 },
    { victim: "the Job", hitIn: "copy", faults: 0 },
    { victim: "the engine", hitIn: "switched", faults: 1 },
    { victim: "the engine", hitIn: undefined, faults: 0 },
  ]);
  const cells = (name: string) =>
    lines
      .find((line) => line.startsWith(`${name}  `))
      ?.slice(name.length)
      .trim()
      .split(/ +/);
  expect(cells("the Job")).toEqual([
    "·",
    "·",
    "·",
    "·",
    "2",
    "·",
    "·",
    "·",
    "·",
    "·",
    "·",
    "·",
    "·",
    "·",
    "·",
    "2",
    "·",
  ]);
  expect(cells("the engine")).toEqual([
    "·",
    "·",
    "·",
    "·",
    "·",
    "·",
    "·",
    "·",
    "·",
    "·",
    "·",
    "·",
    "·",
    "1!",
    "·",
    "1!",
    "1",
  ]);
  expect(cells("all")).toEqual(["·", "·", "·", "·", "2", "·", "·", "·", "·", "·", "·", "·", "·", "1!", "·", "3!", "1"]);
});

test("the longest time without an acknowledgement", () => {
  expect(longestGap([0, 100, 4300, 4400, 4500])).toEqual({ from: 100, to: 4300 });
  expect(longestGap([7])).toBeUndefined();
});
