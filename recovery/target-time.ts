/** A point in time that a recovery can aim at. */
export interface Instant {
  /** RFC 3339 in UTC with microseconds, as the operator passes it on to PostgreSQL. */
  readonly text: string;
  /** Since 1970, with the microseconds behind the point. */
  readonly milliseconds: number;
}

/** What a text says about a time: one instant, or why it says none. */
export type TargetTime = { readonly instant: Instant } | { readonly problem: string };

// Behind an offset a zone may be named once more: so does Pulumi where the time stands without quotes in a stack's file, and YAML takes it for one.
const form =
  /^(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?\s*(?:(Z|UTC|GMT)|([+-])(\d{2}):?(\d{2})?(?:\s+(?:UTC|[+-]\d{4}))?)?$/i;

/** The largest distance of a time zone from UTC, in minutes (Kiribati has +14:00). */
const largestOffset = 14 * 60;

/**
 * Reads a time. PostgreSQL and the operator would take one without zone for UTC, whatever the person at the keyboard meant: it is refused, with both
 * readings.
 *
 * @param zone time zone of the person's machine, e.g. Europe/Berlin
 */
export function targetTime(text: string, zone: string): TargetTime {
  const match = form.exec(text.trim());
  const asked = JSON.stringify(text);
  if (match === null) {
    return {
      problem: `${asked} is no time; allowed: date, time and zone, e.g. 2026-11-21T22:03:10Z or 2026-11-21 23:03:10+01:00`,
    };
  }
  const [, year, month, day, hour, minute, second = "0", fraction = "", utc, sign, zoneHours, zoneMinutes = "0"] =
    match;
  const wall = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second));
  const micros = Number(fraction.padEnd(6, "0"));
  const fields = new Date(wall);
  const same =
    fields.getUTCMonth() === Number(month) - 1 &&
    fields.getUTCDate() === Number(day) &&
    fields.getUTCHours() === Number(hour) &&
    fields.getUTCMinutes() === Number(minute) &&
    fields.getUTCSeconds() === Number(second);
  if (!same) return { problem: `${asked} is no time: there is no such day, hour, minute or second` };
  if (utc !== undefined) return { instant: instant(wall, micros) };
  if (sign !== undefined) {
    const offset = Number(zoneHours) * 60 + Number(zoneMinutes);
    if (offset > largestOffset || Number(zoneMinutes) > 59)
      return { problem: `${asked} is no time: there is no such zone` };
    return { instant: instant(wall - (sign === "-" ? -offset : offset) * 60_000, micros) };
  }
  const inUtc = instant(wall, micros).text;
  const here = instant(wall - offsetOf(zone, wall) * 60_000, micros).text;
  return {
    problem:
      here === inUtc
        ? `${asked} has no time zone: it could be ${inUtc} (UTC, this machine's zone too), or the time on your own clock. Say which, with Z or e.g. +01:00 at its end`
        : `${asked} has no time zone: it could be ${inUtc} (in UTC), or ${here} (in ${zone}, this machine's zone). Say which one`,
  };
}

/** @param milliseconds whole seconds since 1970 @param micros of that second */
function instant(milliseconds: number, micros: number): Instant {
  const seconds = new Date(milliseconds).toISOString().slice(0, 19);
  return { text: `${seconds}.${String(micros).padStart(6, "0")}Z`, milliseconds: milliseconds + micros / 1000 };
}

/** Minutes that a zone is ahead of UTC when its clocks show this wall time (given as if it were UTC, in milliseconds). */
function offsetOf(zone: string, wall: number): number {
  const ahead = (at: number) => {
    const shown = new Intl.DateTimeFormat("en-US", { timeZone: zone, timeZoneName: "longOffset" }).formatToParts(at);
    const name = shown.find(({ type }) => type === "timeZoneName")?.value ?? "";
    const [, sign, hours = "0", minutes = "0"] = /([+-])(\d{2}):(\d{2})/.exec(name) ?? [];
    return (sign === "-" ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
  };
  // The offset is that of the instant, which is not known before the offset is: near enough, then exact.
  return ahead(wall - ahead(wall) * 60_000);
}
