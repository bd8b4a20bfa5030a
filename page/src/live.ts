/** What the peer is doing now, as signals, from its one stream of events. */
import { computed, effect, signal } from "@preact/signals";
import { api, ApiError, type Download, type Events, type LogEvent, type PeerRow, type Status, type UploadRow } from "./api";
import { place, view } from "./route";
import { takeChunks, takeTraffic, watched } from "./watching";

export const status = signal<Status | null>(null);
/** Of the peer, as the stream says first; empty before. */
export const version = signal("");
export const peers = signal<readonly (PeerRow & { joined_s_ago?: number })[]>([]);
/** The newest last. */
export const downloads = signal<readonly Download[]>([]);
/** What comes in, and what may go on. */
export const uploads = signal<readonly UploadRow[]>([]);
/** The newest last; so many are kept. */
export const log = signal<readonly LogEvent[]>([]);
/** Counts up whenever somebody's files changed: what is shown of them is asked for again. */
export const filesChanged = signal(0);
/** `refused`: the browser is not its owner's. */
export const connection = signal<"opening" | "open" | "lost" | "refused">("opening");

const LOG_KEPT = 300;
const RUNNING = new Set(["queued", "running", "waiting"]);
export const isUnderWay = (download: Download): boolean => RUNNING.has(download.state);

export const underWay = computed(() => downloads.value.filter(isUnderWay));
/** By content id: the newest download of it. */
export const downloadOf = computed(() => {
  const found = new Map<string, Download>();
  for (const download of downloads.value) if (download.content) found.set(download.content, download);
  return found;
});
export const downRate = computed(() => underWay.value.reduce((sum, each) => sum + each.rate_bytes_s, 0));
export const upRate = signal(0);

/** Rows as a whole, or those that changed, in the order that they came in. */
export function merged<Row>(before: readonly Row[], told: { whole: boolean; removed: string[] }, rows: readonly Row[], key: (row: Row) => string): readonly Row[] {
  if (told.whole) return rows;
  const changed = new Map(rows.map((row) => [key(row), row]));
  const removed = new Set(told.removed);
  const kept = before.filter((row) => !removed.has(key(row))).map((row) => {
    const now = changed.get(key(row));
    changed.delete(key(row));
    return now ?? row;
  });
  return [...kept, ...changed.values()];
}

/** Of each answer that is under way, the downloads that the stream has told of since it was asked for. */
const toldSince = new Set<Set<string>>();

/** Take in what an answer tells of a download, unless the stream has told of it since it was asked: the answer is old then. */
export async function noteDownload(asked: Promise<Download>): Promise<Download> {
  const told = new Set<string>();
  toldSince.add(told);
  try {
    const answer = await asked;
    if (!told.has(answer.id)) {
      downloads.value = merged(downloads.value, { whole: false, removed: [] }, [answer], (each) => each.id);
    }
    return answer;
  } finally {
    toldSince.delete(told);
  }
}

function takeDownloads(told: Events["downloads"]): void {
  for (const ids of toldSince) [...told.removed, ...told.downloads.map((each) => each.id)].forEach((id) => ids.add(id));
  downloads.value = merged(downloads.value, told, told.downloads, (each) => each.id);
}

export function forgetDownload(id: string): void {
  downloads.value = downloads.value.filter((each) => each.id !== id);
}

type Takers = { [Kind in keyof Events]: (told: Events[Kind]) => void };

const TAKERS: Takers = {
  hello: (told) => (version.value = told.version),
  status: (told) => (status.value = told),
  files: () => (filesChanged.value += 1),
  downloads: takeDownloads,
  uploads: (told) => (uploads.value = merged(uploads.value, told, told.uploads, (each) => each.id)),
  peers: (told) => {
    peers.value = merged(peers.value, told, told.peers, (each) => each.name);
    filesChanged.value += 1;
  },
  traffic: (told) => {
    upRate.value = told.up_bytes_s;
    takeTraffic(told, status.value?.name ?? "");
  },
  log: (told) => (log.value = [...log.value, told].slice(-LOG_KEPT)),
  chunks: (told) => takeChunks(told, downloads.value.find((each) => each.id === told.download)?.name ?? ""),
};

let stream: EventSource | null = null;
const AGAIN_MS = 2_000;

/** Which download's chunks are wanted too: what the address names, or the first under way. */
const wantedChunks = computed(() => {
  if (view.value !== "see") return "";
  return place.value.values.get("watch") ?? underWay.value.find((each) => each.state === "running")?.id ?? watched.peek();
});

const isSeen = signal(!document.hidden);

/** Begin; the page does so once. A hidden page listens to nothing: a browser opens six connections to a peer, for all its pages. */
export function startLive(): void {
  document.addEventListener("visibilitychange", () => (isSeen.value = !document.hidden));
  effect(() => {
    if (isSeen.value) open(wantedChunks.value);
    else close();
  });
}

function close(): void {
  stream?.close();
  stream = null;
}

function open(download: string): void {
  close();
  watched.value = download;
  const now = (stream = new EventSource(`/api/v1/events${download ? `?watch=${encodeURIComponent(download)}` : ""}`));
  now.onopen = () => {
    connection.value = "open";
    void recall();
  };
  now.onerror = () => {
    if (stream !== now) return;
    if (now.readyState === EventSource.CLOSED) void explain(now);
    else connection.value = "lost"; // The browser tries again by itself.
  };
  for (const kind of Object.keys(TAKERS) as (keyof Events)[]) {
    now.addEventListener(kind, (event: MessageEvent<string>) => TAKERS[kind](JSON.parse(event.data) as never));
  }
}

/** What happened before the stream began; an old peer's past is of no use to the next one's. */
async function recall(): Promise<void> {
  try {
    log.value = (await api.log(LOG_KEPT)).events;
  } catch {
    // The log is told as it goes on.
  }
}

/** The stream was refused, to somebody else or because there are too many: ask instead, and try it again. */
async function explain(refused: EventSource): Promise<void> {
  try {
    const before = status.value;
    const [now, fetched, others] = await Promise.all([api.status(), api.downloads(), api.peers().catch(() => ({ peers: [] }))]);
    if (stream !== refused) return; // Another one tells more by now.
    connection.value = "open";
    status.value = now;
    downloads.value = fetched.downloads;
    peers.value = others.peers;
    if (before?.files !== status.value.files || before.bytes !== status.value.bytes) filesChanged.value += 1;
  } catch (error) {
    if (stream !== refused) return;
    connection.value = error instanceof ApiError && error.status === 403 ? "refused" : "lost";
    if (connection.value === "refused") return;
  }
  setTimeout(() => {
    if (stream === refused) open(wantedChunks.peek());
  }, AGAIN_MS);
}
