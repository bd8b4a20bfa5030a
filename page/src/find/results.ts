/** What is searched for and what was found: pages are asked for as they are scrolled to. */
import { computed, effect, signal, untracked } from "@preact/signals";
import { api, type Hit } from "../api";
import { compareNames } from "../forms";
import { filesChanged, peers } from "../live";
import { tellError } from "../parts/dialog";
import { place, view } from "../route";

export const SIZES: readonly { key: string; min: number; max: number }[] = [
  { key: "", min: 0, max: 0 },
  { key: "small", min: 0, max: 1024 ** 2 },
  { key: "medium", min: 1024 ** 2, max: 0 },
  { key: "large", min: 100 * 1024 ** 2, max: 0 },
  { key: "huge", min: 1024 ** 3, max: 0 },
];
export const SORTS = ["best", "name", "smallest", "largest", "copies"] as const;

export interface Wanted { q: string; kind: string; size: string; peer: string; sort: string }

/** As the address says: it outlives a reload and can be kept as a bookmark. */
export const wanted = computed<Wanted>(() => {
  const { values } = place.value;
  const value = (name: string): string => values.get(name) ?? "";
  return { q: value("q"), kind: value("kind"), size: value("size"), peer: value("peer"), sort: value("sort") };
});
/** What is asked for; another order asks for nothing. */
const wantedKey = computed(() => JSON.stringify({ ...wanted.value, sort: "" }));

interface Page { token: string; hits: readonly Hit[]; next: string | null }

const pages = signal<readonly Page[]>([]);
/** The peer ranks; every other order is of what has come so far. */
export const hits = computed(() => ordered(pages.value.flatMap((page) => page.hits), wanted.value.sort));

const ORDERS: Readonly<Record<string, (one: Hit, other: Hit) => number>> = {
  name: (one, other) => compareNames(one.name, other.name),
  smallest: (one, other) => one.size - other.size,
  largest: (one, other) => other.size - one.size,
  copies: (one, other) => other.providers - one.providers,
};

function ordered(found: Hit[], sort: string): readonly Hit[] {
  const order = Object.hasOwn(ORDERS, sort) ? ORDERS[sort] : undefined;
  return order ? found.sort(order) : found;
}
export const isAll = computed(() => pages.value.length > 0 && pages.value.at(-1)?.next === null);
export const isCapped = signal(false);
export const isLoading = signal(false);
export const failure = signal<unknown>(null);
/** Which words the hits are those of, while others are being typed. */
export const answered = signal<Wanted | null>(null);

/** The first page is to be quick, the others few. */
const FIRST_PAGE = 200;
const PAGE = 1_000;
const AHEAD = 120;
const SORTED_LEAST = 10_000;
const TYPING_MS = 90;
const AGAIN_MS = 400;
let stop = new AbortController();
/** As `asked`, to be compared; null before anything was. */
let lastKey: string | null = null;
let seen: readonly [number, number] = [0, 0];
/** What the pages are those of, whatever is being typed meanwhile. */
let asked: Wanted = wanted.peek();

function ask(token: string, signal: AbortSignal): ReturnType<typeof api.search> {
  const { q, kind, size, peer } = asked;
  const range = SIZES.find((each) => each.key === size) ?? { min: 0, max: 0 };
  return api.search({ q, kind, peer, min_size: range.min, max_size: range.max, page: token, limit: token ? PAGE : FIRST_PAGE }, signal);
}

async function askAnew(): Promise<void> {
  stop.abort();
  stop = new AbortController();
  const { signal } = stop;
  isLoading.value = true;
  asked = wanted.value;
  lastKey = wantedKey.value;
  const now = asked;
  try {
    const answer = await ask("", signal);
    pages.value = [{ token: "", hits: answer.hits, next: answer.next }];
    isCapped.value = answer.capped;
    answered.value = now;
    failure.value = null;
  } catch (error) {
    if (signal.aborted) return;
    failure.value = error;
    pages.value = [];
  }
  isLoading.value = false;
}

/** Told by the list which rows can be seen: the next page is asked for before its end shows. */
export function onSeen(first: number, last: number): void {
  seen = [first, last];
  void askMore();
}

/** Pages before their end shows; for another order than the peer's, so many that it means something. */
function isWanted(): boolean {
  const least = wanted.value.sort ? SORTED_LEAST : 0;
  return hits.value.length < least || seen[1] > hits.value.length - AHEAD;
}

async function askMore(): Promise<void> {
  const token = pages.value.at(-1)?.next;
  if (!token || isLoading.value || lastKey !== wantedKey.value || !isWanted()) return;
  const { signal } = stop;
  isLoading.value = true;
  try {
    const answer = await ask(token, signal);
    pages.value = [...pages.value, { token, hits: answer.hits, next: answer.next }];
  } catch (error) {
    if (signal.aborted) return;
    isLoading.value = false;
    return tellError(error);
  }
  isLoading.value = false;
  void askMore();
}

/** Ask again for the page that can be seen: who shares what has changed. */
async function askAgain(): Promise<void> {
  if (pages.value.length === 0 || lastKey !== wantedKey.value) return askAnew();
  if (isLoading.value) return soon(askAgain, AGAIN_MS);
  const { signal } = stop;
  let before = 0;
  for (const page of pages.value) {
    const isSeen = wanted.value.sort !== "" || (before < seen[1] && before + page.hits.length >= seen[0]);
    before += page.hits.length;
    if (!isSeen) continue;
    try {
      const answer = await ask(page.token, signal);
      if (signal.aborted) return;
      pages.value = pages.value.map((each) => (each === page ? { ...page, hits: answer.hits, next: answer.next } : each));
    } catch {
      return; // What is shown stays; the next change asks again.
    }
  }
}

/** Another order may need more of them. */
effect(() => {
  if (wanted.value.sort && pages.value.length) untracked(() => void askMore());
});

let timer: ReturnType<typeof setTimeout> | undefined;
function soon(work: () => Promise<void>, delay_ms: number): void {
  clearTimeout(timer);
  timer = setTimeout(() => void work(), delay_ms);
}

effect(() => {
  if (view.value !== "find" || place.value.values.get("browse")) return;
  const key = wantedKey.value;
  filesChanged.value;
  peers.value;
  untracked(() => {
    if (key !== lastKey) soon(askAnew, lastKey === null ? 0 : TYPING_MS);
    else soon(askAgain, AGAIN_MS);
  });
});
