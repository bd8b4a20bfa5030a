/** Sizes, rates, times and numbers in the reader's form. */
import { computed, signal } from "@preact/signals";

export type Language = "en" | "es";
export const language = signal<Language>("en");

/** The browser's own regional form of the language, if it has one. */
const locale = computed(() => {
  const tag = navigator.languages.find((each) => each.toLowerCase().startsWith(language.value));
  return tag ?? language.value;
});

const plain = computed(() => new Intl.NumberFormat(locale.value, { maximumFractionDigits: 0 }));
const tenths = computed(() => new Intl.NumberFormat(locale.value, { maximumFractionDigits: 1, minimumFractionDigits: 1 }));
const percents = computed(() => new Intl.NumberFormat(locale.value, { style: "percent", maximumFractionDigits: 0 }));
const days = computed(() => new Intl.DateTimeFormat(locale.value, { dateStyle: "medium", timeStyle: "short" }));
const hours = computed(() => new Intl.DateTimeFormat(locale.value, { timeStyle: "medium" }));
const relative = computed(() => new Intl.RelativeTimeFormat(locale.value, { numeric: "auto", style: "long" }));
const collator = computed(() => new Intl.Collator(locale.value, { numeric: true, sensitivity: "base" }));

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;

export function count(n: number): string {
  return plain.value.format(n);
}

/** With the units that Panal's commands use, so that both say the same. */
export function size(bytes: number): string {
  let unit = 0;
  let left = bytes;
  while (left >= 1024 && unit < UNITS.length - 1) {
    left /= 1024;
    unit += 1;
  }
  const number = unit === 0 || left >= 100 ? plain.value.format(left) : tenths.value.format(left);
  return `${number} ${UNITS[unit]}`;
}

export function rate(bytesPerSecond: number): string {
  return `${size(bytesPerSecond)}/s`;
}

/** Never 100 % before all of it is there. */
export function percent(part: number, whole: number): string {
  if (whole <= 0) return percents.value.format(0);
  return percents.value.format(part >= whole ? 1 : Math.min(0.99, Math.floor((100 * part) / whole) / 100));
}

const STEPS: readonly (readonly [unit: "day" | "hour" | "minute" | "second", seconds: number])[] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];

/** At most two units: `2 h 5 min`. */
export function duration(seconds: number): string {
  let left = Math.max(0, Math.round(seconds));
  const parts: string[] = [];
  for (const [unit, length] of STEPS) {
    const n = Math.floor(left / length);
    left -= n * length;
    const isLast = unit === "second" && parts.length === 0;
    if (n > 0 || isLast) {
      parts.push(new Intl.NumberFormat(locale.value, { style: "unit", unit, unitDisplay: "short" }).format(n));
    } else if (parts.length) break;
    if (parts.length === 2) break;
  }
  return parts.join(" ");
}

/** How long ago, in words. */
export function ago(seconds: number): string {
  for (const [unit, length] of STEPS) {
    if (seconds >= length) return relative.value.format(-Math.floor(seconds / length), unit);
  }
  return relative.value.format(0, "second");
}

export function moment(secondsSince1970: number): string {
  return days.value.format(new Date(secondsSince1970 * 1000));
}

export function clockTime(at: Date): string {
  return hours.value.format(at);
}

export function compareNames(one: string, other: string): number {
  return collator.value.compare(one, other);
}
