/** The fields of a schedule as the operator's parser takes them (robfig/cron with seconds): smallest and largest number, and words. */
const fields: readonly { readonly from: number; readonly to: number; readonly words?: readonly string[] }[] = [
  { from: 0, to: 59 },
  { from: 0, to: 59 },
  { from: 0, to: 23 },
  { from: 1, to: 31 },
  { from: 1, to: 12, words: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"] },
  { from: 0, to: 6, words: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] },
];

/**
 * Whether a text is a schedule in six fields: second, minute, hour, day of the month, month, day of the week. Five, as cron has them, are none:
 * the operator would take them with the minute for the second, and the last field for left out (internal/webhook/v1/scheduledbackup_webhook.go).
 */
export function isSchedule(text: string): boolean {
  const parts = text.split(" ");
  return (
    parts.length === fields.length &&
    fields.every(({ from, to, words = [] }, index) => {
      const number = (word: string): number => {
        if (/^\d{1,2}$/.test(word)) return Number(word);
        const at = words.indexOf(word.toLowerCase());
        return at === -1 ? NaN : from + at;
      };
      return (parts[index] ?? "").split(",").every((item) => {
        const [, range = "", step] = /^([^/]+)(?:\/(\d{1,2}))?$/.exec(item) ?? [];
        if (step !== undefined && Number(step) === 0) return false;
        if (range === "*" || range === "?") return true;
        const [first = NaN, last = first, ...more] = range.split("-").map(number);
        return more.length === 0 && from <= first && first <= last && last <= to;
      });
    })
  );
}
