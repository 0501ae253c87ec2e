import * as fc from "fast-check";
import { boundaries, matters, opening, plan, victims } from "../campaign/plan";

const seeds = fc.integer({ min: 0, max: 2 ** 31 });

test("the first six migrations kill at every moment once, and nobody twice", () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const kills = plan(seed, opening).flat();
      expect(kills.map(({ at }) => at).sort()).toEqual([...boundaries].sort());
      expect(new Set(kills.map(({ victim }) => victim)).size).toBe(kills.length);
    }),
  );
});

test("the same seed is the same plan, a longer one begins alike, another seed is another plan", () => {
  fc.assert(
    fc.property(seeds, fc.integer({ min: 0, max: 20 }), (seed, count) => {
      expect(plan(seed, count)).toEqual(plan(seed, 20).slice(0, count));
    }),
  );
  expect(plan(1, 4)).not.toEqual(plan(2, 4));
});

test("each migration has one to three kills, each of which can matter, and none behind one that the run may survive", () => {
  const harmless = /engine|network|disk/;
  fc.assert(
    fc.property(seeds, (seed) => {
      for (const kills of plan(seed, 30)) {
        expect(kills.length).toBeGreaterThanOrEqual(1);
        expect(kills.length).toBeLessThanOrEqual(3);
        expect(kills.filter(({ victim, at }) => !matters(victim, at))).toEqual([]);
        const earlier = kills.slice(0, -1);
        expect(earlier.filter(({ victim, at }) => harmless.test(victim) || at === "switched" || at === "end")).toEqual(
          [],
        );
      }
    }),
  );
});

test("later migrations are killed at random points, not at the moments alone", () => {
  const later = plan(7, 200).slice(opening).flat();
  expect(new Set(later.map(({ after }) => after)).size).toBeGreaterThan(later.length / 2);
  expect(new Set(later.map(({ victim }) => victim)).size).toBe(victims.length);
  expect(new Set(later.map(({ at }) => at)).size).toBe(boundaries.length);
});
