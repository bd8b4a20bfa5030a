/** Files on their way in: a few at once, each goes on after a broken line or a reloaded page. */
import { computed, signal, type Signal } from "@preact/signals";
import { Upload, DetailedError } from "tus-js-client";
import { words } from "../words";

export type Conflict = "ask" | "keep_both" | "replace" | "skip";
export type EntryState = "waiting" | "sending" | "paused" | "checking" | "done" | "failed" | "skipped" | "asking";

/** What was chosen or dropped at once: an answer for all others counts for these. */
export interface Choice { answer: Conflict }
export const newChoice = (): Choice => ({ answer: "ask" });

/** In the place of a file or folder that the browser could not read: it is shown, and never sent. */
export class Unreadable extends File {}

/** One file. What changes while it comes in is a signal of its own: the list stays as it is. */
export interface Entry {
  readonly id: number;
  /** Where it goes, below the shared folder. */
  readonly path: string;
  readonly file: File;
  readonly choice: Choice;
  readonly state: Signal<EntryState>;
  readonly sent: Signal<number>;
  readonly rate: Signal<number>;
  /** Why it failed, in the peer's words. */
  readonly why: Signal<string>;
  conflict: Conflict;
  /** How many bytes has what stands under the name already; null where it is not told. */
  thereBytes: number | null;
  upload: Upload | null;
}

const AT_ONCE = 3;
/** Sent in one request: what breaks off is sent again whole. */
const SMALL_BYTES = 1024 * 1024;
const RETRY_MS = [0, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 30_000, 60_000];
const OVER = new Set<EntryState>(["done", "failed", "skipped"]);

export const entries = signal<readonly Entry[]>([]);
/** How many files were found in folders that are still being read; 0 when none is. */
export const reading = signal(0);
const active = signal(0);
let nextId = 0;

export const isBusy = computed(() => reading.value > 0 || entries.value.some((each) => !OVER.has(each.state.value)));
export const asking = computed(() => entries.value.find((each) => each.state.value === "asking") ?? null);
const isOpen = (entry: Entry): boolean => entry.state.value === "waiting" || entry.state.value === "asking";
/** How many others an answer can count for. */
export const waitingBehind = computed(() => entries.value.filter((each) => each.choice === asking.value?.choice && isOpen(each)).length - 1);
export const totals = computed(() => {
  let sent = 0;
  let size = 0;
  let rate = 0;
  let done = 0;
  for (const each of entries.value) {
    if (each.state.value === "skipped" || each.state.value === "failed") continue;
    size += each.file.size;
    sent += each.state.value === "done" ? each.file.size : each.sent.value;
    rate += each.rate.value;
    done += each.state.value === "done" ? 1 : 0;
  }
  return { sent, size, rate, done };
});

export function add(files: readonly { path: string; file: File }[], choice: Choice): void {
  const added = files.map(({ path, file }): Entry => ({
    id: (nextId += 1), path, file, choice, state: signal<EntryState>(file instanceof Unreadable ? "failed" : "waiting"), sent: signal(0), rate: signal(0),
    why: signal(file instanceof Unreadable ? words.value.share.unreadable : ""), conflict: choice.answer, thereBytes: null, upload: null,
  }));
  entries.value = [...entries.value, ...added];
  next();
}

export function pause(entry: Entry): void {
  void entry.upload?.abort();
  leave(entry, "paused");
}

export function goOn(entry: Entry): void {
  entry.why.value = "";
  entry.state.value = "waiting";
  next();
}

/** Take it off the list, and what came of it off the peer. */
export function cancel(entry: Entry): void {
  const wasActive = entry.state.value === "sending" || entry.state.value === "checking";
  void entry.upload?.abort(true).catch(() => undefined);
  entries.value = entries.value.filter((each) => each !== entry);
  if (wasActive) release();
}

export function clearOver(): void {
  entries.value = entries.value.filter((each) => !OVER.has(each.state.value));
}

export function answer(entry: Entry, conflict: Conflict, isForAll: boolean): void {
  const meant = isForAll ? entries.value.filter((each) => each.choice === entry.choice && isOpen(each)) : [entry];
  if (isForAll) entry.choice.answer = conflict;
  for (const each of meant) {
    each.conflict = conflict;
    if (each.state.value !== "asking") continue;
    each.state.value = conflict === "skip" ? "skipped" : "waiting";
  }
  next();
}

let looked = 0;

function next(): void {
  while (active.value < AT_ONCE) {
    const list = entries.value;
    // Those before are over or under way most of the time; look from there on first.
    let entry = list.slice(looked).find((each) => each.state.value === "waiting");
    entry ??= list.find((each) => each.state.value === "waiting");
    if (!entry) return;
    looked = Math.max(0, list.indexOf(entry));
    void start(entry);
  }
}

function release(): void {
  active.value -= 1;
  next();
}

function leave(entry: Entry, state: EntryState, why = ""): void {
  const wasActive = entry.state.value === "sending" || entry.state.value === "checking";
  entry.state.value = state;
  entry.why.value = why;
  entry.rate.value = 0;
  if (wasActive) release();
}

/** The same file chosen again after a reload is known by this. */
const nameOfUpload = (entry: Entry): string =>
  `panal-upload ${entry.path} ${entry.file.size} ${entry.file.lastModified}`;

async function start(entry: Entry): Promise<void> {
  active.value += 1;
  entry.state.value = "sending";
  const measure = meter(entry);
  const upload = new Upload(entry.file, {
    endpoint: "/api/v1/uploads",
    metadata: { path: entry.path, conflict: entry.conflict },
    retryDelays: RETRY_MS,
    uploadDataDuringCreation: entry.file.size <= SMALL_BYTES,
    fingerprint: () => Promise.resolve(nameOfUpload(entry)),
    removeFingerprintOnSuccess: true,
    onProgress: measure,
    onShouldRetry: (error) => isTriedAgain(entry, error),
    onSuccess: () => {
      entry.sent.value = entry.file.size;
      leave(entry, "done");
    },
    onError: (error) => failed(entry, error),
  });
  entry.upload = upload;
  try {
    const before = await upload.findPreviousUploads();
    if (before[0]) upload.resumeFromPreviousUpload(before[0]);
  } catch {
    // A browser that keeps nothing: then it begins anew.
  }
  if (entry.state.value === "sending") upload.start();
}

function failed(entry: Entry, error: Error | DetailedError): void {
  if (entry.state.value !== "sending" && entry.state.value !== "checking") return;
  const status = statusOf(error);
  const { there } = bodyOf(error);
  if (status === 409 && there) {
    entry.thereBytes = there.size;
    if (entry.conflict === "ask" && entry.choice.answer !== "ask") {
      // Answered for all while this one was on its way.
      entry.conflict = entry.choice.answer;
      return leave(entry, entry.conflict === "skip" ? "skipped" : "waiting");
    }
    return leave(entry, entry.conflict === "skip" ? "skipped" : "asking");
  }
  leave(entry, "failed", wordsOf(error));
}

interface Refusal { type?: string; detail?: string; there?: { size: number | null } }

function statusOf(error: Error | DetailedError): number {
  return "originalResponse" in error ? (error.originalResponse?.getStatus() ?? 0) : 0;
}

function bodyOf(error: Error | DetailedError): Refusal {
  try {
    return "originalResponse" in error ? (JSON.parse(error.originalResponse?.getBody() ?? "{}") as Refusal) : {};
  } catch {
    return {};
  }
}

const wordsOf = (error: Error | DetailedError): string =>
  bodyOf(error).detail ?? (statusOf(error) ? words.value.failed : words.value.lost);

const MAY_HELP = new Set([0, 423, 429, 460, 503]);

/** No answer, or a peer that restarts: it goes on by itself. One that has enough uploads says so, and its owner decides. */
function isTriedAgain(entry: Entry, error: DetailedError): boolean {
  const isHelp = MAY_HELP.has(statusOf(error)) && bodyOf(error).type !== "urn:panal:error:busy";
  if (isHelp && entry.state.value === "checking") entry.state.value = "sending";
  return isHelp;
}

const WINDOW_MS = 3_000;

function meter(entry: Entry): (sent: number) => void {
  let marks: { at: number; sent: number }[] = [];
  return (sent) => {
    const now = performance.now();
    marks = [...marks.filter((mark) => now - mark.at < WINDOW_MS), { at: now, sent }];
    const [first] = marks;
    if (first && now > first.at + 200) entry.rate.value = ((sent - first.sent) * 1000) / (now - first.at);
    entry.sent.value = sent;
    if (sent >= entry.file.size && entry.state.value === "sending") entry.state.value = "checking";
  };
}

addEventListener("beforeunload", (event) => {
  if (entries.value.some((each) => each.state.value === "sending" || each.state.value === "waiting")) event.preventDefault();
});
