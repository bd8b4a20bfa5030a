/** The peer's HTTP API, as docs/api.md has it. The page uses nothing else. */

export interface Source { peer: string; rate_bytes_s: number; bytes: number; state: string }
export type DownloadState = "queued" | "running" | "waiting" | "paused" | "done" | "failed";
export interface Download {
  id: string; what: string; content: string | null; name: string | null; state: DownloadState;
  size: number; priority: number; bytes_done: number; bytes_resumed: number; rate_bytes_s: number;
  eta_s: number | null; transfer_s: number; reason: string; error: string | null; sources: Source[];
  files: number; files_done: number; held_back: boolean; bytes_copied: number;
}
export interface NameAt { peer: string; path: string }
export interface Hit {
  id: string; name: string; size: number; sha256: string | null; kind: "file" | "collection";
  link: string; providers: number; names: NameAt[]; names_total: number;
}
export interface SearchPage { hits: Hit[]; next: string | null; capped: boolean }
export interface PeerRow { name: string; host: string; port: number; reachable: boolean; files: number }
export interface Peer extends PeerRow { joined_s_ago: number; renewed_s_ago: number }
export interface Status {
  name: string; urls: string[]; folder: string; trackers: string[]; registered: boolean;
  reachable: boolean; problem: string; files: number; bytes: number; to_hash: number;
  skipped: Record<string, number>; skipped_folders: Record<string, number>;
  skipped_examples: Record<string, string[]>; roots: { name: string; place: string }[];
  offline: string[]; watching: Record<string, string>; unshared: string[];
  unfinished: number; unfinished_bytes: number; withdrawn: Record<string, string>;
  reachability: string; tracker: string; network: { name: string; pin: string } | null; open: boolean;
  hosts: string[]; port: number; guests: string | null; settings: Settings; version: string;
}
export interface Settings {
  active_downloads: number; upload_limit_bytes_s: number; download_limit_bytes_s: number;
  upload_limit_per_peer_bytes_s: number; download_limit_per_peer_bytes_s: number;
}
export interface LogEvent {
  at: string; event: string; host: string; name: string; what: string; link: string; why: string; left_out: number;
}
export interface GuestLink { id: string; name: string; content: string; kind: string; expires: number; url: string | null }
export interface GuestLinks { links: GuestLink[]; listening: string | null }
export interface LinkAnswer { name: string; id: string; kind: string; link: string; url: string | null; curl: string | null }
export interface Qr { rows: string[]; border: number }
export interface Disk { folder: string; total: number; free: number; reserve: number; usable: number }
export interface WhySource {
  peer: string; state: string; words: string; rate_bytes_s: number; chunks_asked: number; chunks_missing: number;
  chunks_absent: number; silent_s: number | null; seen_s_ago: number | null; next_try_s: number;
  held_back: boolean; evidence: string;
}
export interface WhyContent {
  path: string; why: string; chunks: number; chunks_missing: number; chunks_absent: number[]; sources: WhySource[];
}
export interface Why {
  id: string; name: string | null; state: string; why: string; more: string[]; advice: string;
  contents: WhyContent[]; missing_files: string[];
}
export interface FolderItem {
  name: string; path: string; files: number | null; size: number | null; id: string | null; link: string | null;
}
export interface FileItem { name: string; path: string; id: string; size: number; sha256: string | null; link: string }
export interface BrowsePage { peer: string; path: string; folders: FolderItem[]; files: FileItem[]; next: string | null }
export interface UploadRow {
  id: string; path: string; size: number | null; offset: number; rate_bytes_s: number;
  state: "receiving" | "storing" | "waiting"; resumable: boolean; expires: number | null;
}

/** The data of each kind of event. */
export interface Events {
  hello: { epoch: string; peer: string; version: string };
  status: Status;
  files: { files: number; size_bytes: number; changes: number };
  downloads: { whole: boolean; downloads: Download[]; removed: string[] };
  uploads: { whole: boolean; uploads: UploadRow[]; removed: string[] };
  peers: { whole: boolean; peers: PeerRow[]; removed: string[] };
  traffic: {
    at: number; down_bytes_s: number; up_bytes_s: number; down_bytes: number; up_bytes: number;
    sources: { peer: string; rate_bytes_s: number }[];
    takers: { peer: string; host: string; port: number; rate_bytes_s: number; name: string; content: string }[];
  };
  log: LogEvent;
  chunks: ChunksEvent;
}
/** As docs/openapi.json says; `states`, `from` and `copies` are base64, one byte a chunk each. */
export interface ChunksEvent {
  download: string; whole: boolean; path?: string; size_bytes?: number; chunk_size?: number; chunk_count?: number;
  sources?: string[]; states?: string; from?: string; copies?: string; runs?: [number, number, number, number][];
}

/** What the peer answered instead of what was asked for; its words are for people. */
export class ApiError extends Error {
  /** `status` 0: it did not answer at all. `slug`: the stable word of the error. */
  constructor(readonly status: number, readonly slug: string, words: string) {
    super(words);
  }
}

interface Problem { type?: string; detail?: string }

export async function problemOf(answer: Response): Promise<ApiError> {
  let problem: Problem = {};
  try {
    problem = (await answer.json()) as Problem;
  } catch {
    // A proxy's page, or nothing: the status has to do.
  }
  const slug = (problem.type ?? "").replace("urn:panal:error:", "");
  return new ApiError(answer.status, slug, problem.detail ?? `HTTP ${answer.status}`);
}

async function call<Answer>(method: string, path: string, body?: unknown, signal?: AbortSignal, headers = {}): Promise<Answer> {
  const init: RequestInit = { method, headers, signal: signal ?? null };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { "Content-Type": "application/json" };
  }
  let answer: Response;
  try {
    answer = await fetch(`/api/v1/${path}`, init);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, "unreachable", String(error));
  }
  if (!answer.ok) throw await problemOf(answer);
  return (answer.status === 204 ? undefined : await answer.json()) as Answer;
}

function query(values: Record<string, string | number | undefined>): string {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== "" && value !== 0);
  return given.length ? `?${new URLSearchParams(given.map(([key, value]) => [key, String(value)]))}` : "";
}

/** A path in an address: each part encoded, the slashes kept. */
export function inAddress(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}

export interface Search {
  q: string; kind: string; peer: string; min_size: number; max_size: number; page: string; limit: number;
}

export const api = {
  status: () => call<Status>("GET", "status"),
  downloads: () => call<{ downloads: Download[] }>("GET", "downloads"),
  peers: () => call<{ peers: Peer[] }>("GET", "peers"),
  log: (limit: number) => call<{ events: LogEvent[] }>("GET", `log?limit=${limit}`),
  search: (wanted: Search, signal: AbortSignal) =>
    call<SearchPage>("GET", `search${query({ ...wanted })}`, undefined, signal),
  browse: (peer: string, under: string, page: string, signal?: AbortSignal) =>
    call<BrowsePage>("GET", `browse${query({ peer, under, page })}`, undefined, signal),
  unshare: (path: string) => call<void>("DELETE", `files/${inAddress(path)}`),
  fetch: (what: string, name?: string, wait = false) =>
    call<Download>("POST", "downloads", { what, wait, ...(name ? { name } : {}) }),
  pause: (id: string) => call<Download>("POST", `downloads/${id}/pause`),
  resume: (id: string) => call<Download>("POST", `downloads/${id}/resume`),
  remove: (id: string, andDelete: boolean) => call<void>("DELETE", `downloads/${id}${andDelete ? "?delete=true" : ""}`),
  prioritise: (id: string, priority: number) => call<Download>("PATCH", `downloads/${id}`, { priority }),
  why: (id: string) => call<Why>("GET", `downloads/${id}/why`),
  link: (what: string) => call<LinkAnswer>("POST", "links", { what }),
  guestLinks: () => call<GuestLinks>("GET", "guest-links"),
  makeGuestLink: (what: string, for_s: number) => call<GuestLink>("POST", "guest-links", { what, for_s }),
  revokeGuestLink: (id: string) => call<void>("DELETE", `guest-links/${id}`),
  settings: () => call<Settings>("GET", "settings"),
  changeSettings: (change: Partial<Settings>) => call<Settings>("PATCH", "settings", change),
  disk: () => call<Disk>("GET", "disk"),
  qr: (text: string) => call<Qr>("POST", "qr", { text }),
  dropUpload: (id: string) => call<void>("DELETE", `uploads/${id}`, undefined, undefined, { "Tus-Resumable": "1.0.0" }),
};
