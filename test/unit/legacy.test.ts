import * as fc from "fast-check";
import { bytesOf, largestSize, parseSize, planOf, smallestSize, tables } from "../../local/legacy/plan";
import { parseLog } from "../../local/legacy/writer";

const sizes = fc.integer({ min: smallestSize, max: largestSize });

describe("parseSize", () => {
  test.each([
    ["10MB", 10e6],
    ["10GB", 10e9],
    [" 1.5 gb ", 1.5e9],
    ["512MiB", 512 * 2 ** 20],
    ["20000KB", 20e6],
  ])("reads %s", (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  test.each(["", "100", "MB", "-100MB", "1e3MB", "100 TB", "100MBs", "NaNMB", "1..5GB"])(
    "refuses %j as no size",
    (text) => {
      expect(() => parseSize(text)).toThrow(/is not a size\. Write a number and a unit/);
    },
  );

  test.each(["9.9MB", "10.1GB", "0MB"])("refuses %s as out of bounds", (text) => {
    expect(() => parseSize(text)).toThrow(/between 10MB and 10GB/);
  });
});

describe("planOf", () => {
  test("comes within 15 % of the size asked for", () => {
    fc.assert(
      fc.property(sizes, (size) => {
        expect(Math.abs(bytesOf(planOf(size).rows.orders) / size - 1)).toBeLessThan(0.15);
      }),
    );
  });

  test("never makes fewer rows for more bytes", () => {
    fc.assert(
      fc.property(sizes, sizes, (a, b) => {
        const [small, large] = [planOf(Math.min(a, b)), planOf(Math.max(a, b))];
        for (const table of tables) expect(large.rows[table]).toBeGreaterThanOrEqual(small.rows[table]);
        expect(planOf(largestSize).totalRows).toBeGreaterThan(planOf(smallestSize).totalRows * 100);
      }),
      { numRuns: 20 },
    );
  });

  test("loads each row of each table exactly once", () => {
    fc.assert(
      fc.property(sizes, fc.integer({ min: 10_000, max: 1_000_000 }), (size, rowsPerChunk) => {
        const plan = planOf(size, rowsPerChunk);
        for (const table of tables) {
          let next = 1;
          for (const chunk of plan.chunks.filter((piece) => piece.table === table)) {
            expect(chunk.from).toBe(next);
            expect(chunk.to - chunk.from + 1).toBeLessThanOrEqual(rowsPerChunk);
            next = chunk.to + 1;
          }
          expect(next - 1).toBe(plan.rows[table]);
        }
      }),
      { numRuns: 20 },
    );
  });

  test("gives no row a parent beyond the end", () => {
    fc.assert(
      fc.property(sizes, (size) => {
        const { rows } = planOf(size);
        expect(rows.variants).toBe(3 * rows.products);
        expect(rows.inventory).toBe(rows.variants);
        expect(rows.order_items).toBe(3 * rows.orders);
        expect(rows.payments).toBe(rows.orders);
        // The fifty shops feature products 1 to 50.
        expect(rows.products).toBeGreaterThanOrEqual(50);
      }),
    );
  });

  test("is pure", () => {
    expect(planOf(123_456_789)).toEqual(planOf(123_456_789));
  });
});

describe("the writer's log", () => {
  test("counts as acknowledged what came back, and nothing else", () => {
    const log = parseLog(
      [
        "2026-11-21T08:27:41.407Z start w",
        "2026-11-21T08:27:41.543Z ack 50001",
        "2026-11-21T08:27:41.746Z error psql: error: connection refused ack 7",
        "2026-11-21T08:27:42.039Z ack WARNING: something 50002",
        "2026-11-21T08:27:42.139Z ack 50003",
        "2026-11-21T08:27:42.1",
      ].join("\n"),
    );
    expect(log.acknowledged).toEqual([
      { id: 50001, at: new Date("2026-11-21T08:27:41.543Z") },
      { id: 50003, at: new Date("2026-11-21T08:27:42.139Z") },
    ]);
    expect(log.errors.map(({ message }) => message)).toEqual([
      "psql: error: connection refused ack 7",
      "WARNING: something 50002",
    ]);
    expect(log.ended).toBe(false);
  });
});
