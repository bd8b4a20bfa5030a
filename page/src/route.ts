/** Which view is shown: `#/find?q=words`. The server sees none of it. */
import { computed, signal } from "@preact/signals";

export const VIEWS = ["find", "fetch", "share", "see", "know"] as const;
export type View = (typeof VIEWS)[number];

interface Place { view: View; values: URLSearchParams }

function here(): Place {
  const [path = "", values = ""] = location.hash.replace(/^#\/?/, "").split("?", 2);
  return { view: VIEWS.find((each) => each === path) ?? "find", values: new URLSearchParams(values) };
}

export const place = signal<Place>(here());
export const view = computed(() => place.value.view);
addEventListener("hashchange", () => (place.value = here()));

export function addressOf(wanted: View, values: Record<string, string> = {}): string {
  const given = Object.entries(values).filter(([, value]) => value);
  const text = new URLSearchParams(given).toString();
  return `#/${wanted}${text ? `?${text}` : ""}`;
}

export function go(wanted: View, values: Record<string, string> = {}): void {
  location.hash = addressOf(wanted, values);
}

/** Change the address of what is shown without a step in the browser's history. */
export function amend(values: Record<string, string>): void {
  history.replaceState(null, "", addressOf(view.value, values));
  place.value = here();
}
