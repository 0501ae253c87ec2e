const kilobyte = 1024;
const units: Readonly<Record<string, number>> = {
  kB: kilobyte,
  MB: kilobyte ** 2,
  GB: kilobyte ** 3,
  TB: kilobyte ** 4,
};

/**
 * Bytes of a PostgreSQL memory setting such as "256MB". PostgreSQL's units are powers of 1024, and it writes them kB, MB,
 * GB and TB, exactly so.
 *
 * @returns undefined when the text is none, or has no unit (a bare number means 8 kB pages for one setting and kilobytes
 * for the next)
 * @see https://www.postgresql.org/docs/17/config-setting.html#CONFIG-SETTING-NAMES-VALUES
 */
export function memorySize(text: string): number | undefined {
  const match = /^(\d+)(kB|MB|GB|TB)$/.exec(text);
  const unit = units[match?.[2] ?? ""];
  return match?.[1] === undefined || unit === undefined ? undefined : Number(match[1]) * unit;
}

/** The shortest exact spelling of a number of bytes, rounded down to whole kilobytes: 1073741824 is "1GB". */
export function formatMemorySize(bytes: number): string {
  const kilobytes = Math.floor(bytes / kilobyte);
  for (const [unit, size] of Object.entries(units).reverse()) {
    const count = (kilobytes * kilobyte) / size;
    if (count >= 1 && Number.isInteger(count)) {
      return `${count}${unit}`;
    }
  }
  return `${kilobytes}kB`;
}
