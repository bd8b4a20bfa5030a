/** The peer's HTTP API. The page uses nothing else; openapi.d.ts is made of docs/openapi.json. */
import type { components } from "./openapi";

type Schemas = components["schemas"];

export type Download = Schemas["DownloadAnswer"];
export type Hit = Schemas["HitInfo"];
export type SearchPage = Schemas["SearchAnswer"];
/** As the stream tells of it. */
export type PeerRow = Schemas["PeerRow"];
export type Status = Schemas["StatusAnswer"];
export type Settings = Schemas["SettingsAnswer"];
export type LogEvent = Schemas["Event"];
export type GuestLink = Schemas["GuestLinkAnswer"];
export type Qr = Schemas["QrAnswer"];
export type Disk = Schemas["DiskAnswer"];
export type Why = Schemas["WhyAnswer"];
export type FolderItem = Schemas["FolderItemAnswer"];
export type FileItem = Schemas["FileItemAnswer"];
export type UploadRow = Schemas["UploadAnswer"];
export type ChunksEvent = Schemas["ChunksEvent"];
/** The data of each kind of event. */
export type Events = Schemas["StreamedEvents"];

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
  downloads: () => call<Schemas["DownloadsAnswer"]>("GET", "downloads"),
  peers: () => call<Schemas["PeersAnswer"]>("GET", "peers"),
  log: (limit: number) => call<Schemas["LogAnswer"]>("GET", `log?limit=${limit}`),
  search: (wanted: Search, signal: AbortSignal) =>
    call<SearchPage>("GET", `search${query({ ...wanted })}`, undefined, signal),
  browse: (peer: string, under: string, page: string, signal?: AbortSignal) =>
    call<Schemas["BrowseAnswer"]>("GET", `browse${query({ peer, under, page })}`, undefined, signal),
  unshare: (path: string) => call<void>("DELETE", `files/${inAddress(path)}`),
  fetch: (what: string, name?: string | null, wait = false, priority = 0) =>
    call<Download>("POST", "downloads", { what, wait, priority, ...(name ? { name } : {}) }),
  pause: (id: string) => call<Download>("POST", `downloads/${id}/pause`),
  resume: (id: string) => call<Download>("POST", `downloads/${id}/resume`),
  remove: (id: string, andDelete: boolean) => call<void>("DELETE", `downloads/${id}${andDelete ? "?delete=true" : ""}`),
  prioritise: (id: string, priority: number) => call<Download>("PATCH", `downloads/${id}`, { priority }),
  why: (id: string) => call<Why>("GET", `downloads/${id}/why`),
  link: (what: string) => call<Schemas["LinkAnswer"]>("POST", "links", { what }),
  guestLinks: () => call<Schemas["GuestLinksAnswer"]>("GET", "guest-links"),
  makeGuestLink: (what: string, for_s: number) => call<GuestLink>("POST", "guest-links", { what, for_s }),
  revokeGuestLink: (id: string) => call<void>("DELETE", `guest-links/${id}`),
  settings: () => call<Settings>("GET", "settings"),
  changeSettings: (change: Schemas["SettingsChange"]) => call<Settings>("PATCH", "settings", change),
  disk: () => call<Disk>("GET", "disk"),
  qr: (text: string) => call<Qr>("POST", "qr", { text }),
  dropUpload: (id: string) => call<void>("DELETE", `uploads/${id}`, undefined, undefined, { "Tus-Resumable": "1.0.0" }),
};
