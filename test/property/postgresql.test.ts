import * as fc from "fast-check";
import { fitsConnectionBudget, pooledConnections } from "../../postgresql/connection-budget";
import { connectionUrl } from "../../postgresql/connection-url";
import { quoteIdentifier } from "../../postgresql/identifier";
import { formatMemorySize, memorySize } from "../../postgresql/memory-size";
import { effectiveCacheSizeFor, sharedBuffersFor } from "../../postgresql/parameters";
import { quantity } from "../../postgresql/quantity";

const endpoint = {
  username: "naytife",
  host: "naytife-postgres-pooler.naytife.svc",
  port: 5432,
  database: "naytifedb",
};

describe("a connection URL", () => {
  test("gives back any password that it was made from", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (password) => {
        const url = new URL(connectionUrl({ ...endpoint, password }));
        expect(decodeURIComponent(url.password)).toBe(password);
        expect(url.host).toBe(`${endpoint.host}:${endpoint.port}`);
        expect(url.pathname).toBe(`/${endpoint.database}`);
        expect(url.search).toBe("?sslmode=require");
      }),
    );
  });

  test("holds nothing that a shell, a .env file or YAML reads as anything else", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.string({ minLength: 1 }), (password, username) => {
        expect(connectionUrl({ ...endpoint, username, password })).toMatch(
          /^postgresql:\/\/[-\w.~%]*:[-\w.~%]*@[-.a-z]+:5432\/naytifedb\?sslmode=require$/,
        );
      }),
    );
  });
});

describe("a Kubernetes quantity", () => {
  test("of binary suffixes is 1024 times the one before", () => {
    fc.assert(
      fc.property(fc.nat({ max: 4096 }), (count) => {
        expect(quantity(`${count}Mi`)).toBe(count * 2 ** 20);
        expect(quantity(`${count * 1024}Ki`)).toBe(quantity(`${count}Mi`));
        expect(quantity(`${count * 1000}m`)).toBeCloseTo(quantity(String(count)) ?? NaN);
      }),
    );
  });

  test("is what it is read from, or nothing: never NaN, never negative", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const value = quantity(text);
        expect(value === undefined || (value >= 0 && Number.isFinite(value))).toBe(true);
      }),
    );
  });
});

describe("a PostgreSQL memory size", () => {
  test("is read as what it was written from", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 40 }), (kilobytes) => {
        expect(memorySize(formatMemorySize(kilobytes * 1024))).toBe(kilobytes * 1024);
      }),
    );
  });
});

describe("memory parameters", () => {
  const memory = fc.integer({ min: 512, max: 1024 * 1024 }).map((mebibytes) => `${mebibytes}Mi`);

  test("leave room in the instance's memory, and grow with it", () => {
    fc.assert(
      fc.property(memory, memory, (one, other) => {
        const [small, large] = [one, other].sort((a, b) => quantity(a)! - quantity(b)!) as [string, string];
        expect(memorySize(sharedBuffersFor(small))).toBeLessThanOrEqual(quantity(small)! / 8);
        expect(memorySize(effectiveCacheSizeFor(small))).toBeLessThanOrEqual(quantity(small)! / 2);
        expect(memorySize(sharedBuffersFor(small))).toBeLessThanOrEqual(memorySize(sharedBuffersFor(large))!);
        expect(memorySize(effectiveCacheSizeFor(small))).toBeLessThanOrEqual(memorySize(effectiveCacheSizeFor(large))!);
      }),
    );
  });
});

describe("the connection budget", () => {
  const budget = fc.record({
    maxConnections: fc.integer({ min: 1, max: 1000 }),
    reservedConnections: fc.integer({ min: 0, max: 500 }),
    poolerInstances: fc.integer({ min: 1, max: 20 }),
    poolerMaxDatabaseConnections: fc.integer({ min: 1, max: 200 }),
  });

  test("that fits still fits with more room, and with less use", () => {
    fc.assert(
      fc.property(budget, fc.nat({ max: 100 }), (one, more) => {
        fc.pre(fitsConnectionBudget(one));
        expect(fitsConnectionBudget({ ...one, maxConnections: one.maxConnections + more })).toBe(true);
        expect(fitsConnectionBudget({ ...one, reservedConnections: Math.max(0, one.reservedConnections - more) })).toBe(
          true,
        );
      }),
    );
  });

  test("counts the pod that an update runs beside the others", () => {
    fc.assert(
      fc.property(budget, (one) => {
        const pods = pooledConnections(one) / one.poolerMaxDatabaseConnections;
        expect(pods).toBe(one.poolerInstances + 1);
      }),
    );
  });
});

describe("a quoted identifier", () => {
  test("ends where it was meant to end", () => {
    fc.assert(
      fc.property(fc.string(), (name) => {
        const quoted = quoteIdentifier(name);
        expect(quoted.startsWith('"') && quoted.endsWith('"')).toBe(true);
        expect(quoted.slice(1, -1).replaceAll('""', "")).not.toContain('"');
        expect(quoted.slice(1, -1).replaceAll('""', '"')).toBe(name);
      }),
    );
  });
});
