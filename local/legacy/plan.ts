/** How many rows of each table make a database of the size asked for, and in which pieces they are loaded. Pure. */

/** Smallest and largest size that a seed is made in, in bytes: 10 MB and 10 GB. */
export const smallestSize = 10e6;
export const largestSize = 10e9;

const units: Readonly<Record<string, number>> = { KB: 1e3, MB: 1e6, GB: 1e9, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

/**
 * Reads a size such as `100MB`, `1.5 GB` or `512MiB`.
 *
 * @returns bytes; decimal units are powers of 1000, binary ones (`KiB`, `MiB`, `GiB`) of 1024
 * @throws Error where the text is no size, or outside 10 MB to 10 GB
 */
export function parseSize(text: string): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([KMG]i?B)\s*$/i.exec(text);
  const unit = Object.keys(units).find((name) => name.toLowerCase() === match?.[2]?.toLowerCase());
  if (!match || unit === undefined)
    throw new Error(`"${text}" is not a size. Write a number and a unit, for example 100MB or 1.5GB.`);
  const bytes = Math.round(Number(match[1]) * (units[unit] ?? NaN));
  if (bytes < smallestSize || bytes > largestSize)
    throw new Error(`A legacy database of ${text} cannot be made: the size must lie between 10MB and 10GB.`);
  return bytes;
}

/** Rows per order of each table that grows with the size; `inventory` counts variants, each in two warehouses. */
const rowsPerOrder = {
  products: 0.05,
  variants: 0.15,
  customers: 0.25,
  addresses: 0.25,
  inventory: 0.15,
  orders: 1,
  order_items: 3,
  payments: 1,
  hydra_oauth2_access: 2,
  hydra_oauth2_refresh: 0.5,
} as const;

export type Table = keyof typeof rowsPerOrder;

/** The tables that grow, in the order in which they are loaded. */
export const tables = Object.keys(rowsPerOrder) as Table[];

/**
 * What a whole database takes: tables, indexes, TOAST and large objects, without the system's own catalogs. Measured on
 * PostgreSQL 15 at 1,500 to 100,000 orders. The fixed part lies between 6.6 MB right after the load and 8.4 MB once all
 * tables have been vacuumed (their free space and visibility maps).
 */
const fixedBytes = 7.0e6;
const bytesPerOrder = 4178;

/** One piece of the load: the rows `from` to `to` (both included, from 1) of a table. */
export interface Chunk {
  table: Table;
  from: number;
  to: number;
}

export interface SeedPlan {
  /** What was asked for, in bytes. */
  size: number;
  rows: Readonly<Record<Table, number>>;
  /** Rows of all tables together. */
  totalRows: number;
  chunks: readonly Chunk[];
}

/** The bytes that a database with that many orders takes, by the measurements above. */
export function bytesOf(orders: number): number {
  return fixedBytes + orders * bytesPerOrder;
}

/**
 * The rows of each table for a database of `size` bytes, and the pieces they are loaded in.
 *
 * @param size bytes, see {@link parseSize}
 * @param rowsPerChunk rows of the largest piece
 */
export function planOf(size: number, rowsPerChunk = 100_000): SeedPlan {
  const orders = Math.max(100, Math.round((size - fixedBytes) / bytesPerOrder));
  const rows = Object.fromEntries(
    tables.map((table) => [table, Math.max(50, Math.round(orders * rowsPerOrder[table]))]),
  ) as Record<Table, number>;
  // Three variants a product and three items an order: no row may point beyond the end.
  rows.variants = rows.inventory = 3 * rows.products;
  rows.order_items = 3 * rows.orders;
  const chunks = tables.flatMap((table) => {
    const pieces: Chunk[] = [];
    for (let from = 1; from <= rows[table]; from += rowsPerChunk)
      pieces.push({ table, from, to: Math.min(from + rowsPerChunk - 1, rows[table]) });
    return pieces;
  });
  return { size, rows, totalRows: Object.values(rows).reduce((sum, count) => sum + count, 0), chunks };
}
