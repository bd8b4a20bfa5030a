/** Events of chunks and traffic, made into the facts that the pictures are drawn from. */
import { signal } from "@preact/signals";
import type { ChunksEvent, Events } from "./api";
import { told, TRAFFIC_SPAN_S, type ChunkFacts } from "./see/facts";

/** The download whose chunks are told; empty: none. */
export const watched = signal("");

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

export function takeChunks(event: ChunksEvent, name: string): void {
  const before = told.chunks.value;
  if (event.whole || before?.download !== event.download) {
    if (event.states !== undefined) told.chunks.value = wholeOf(event, name);
    return;
  }
  for (const [first, last, state, from] of event.runs ?? []) {
    before.states.fill(state, first, last + 1);
    before.from.fill(from, first, last + 1);
  }
  if (event.copies !== undefined) before.copies.set(bytesOf(event.copies).subarray(0, before.count));
  const changed = (event.runs ?? []).map(([first, last]) => [first, last] as const);
  told.chunks.value = {
    ...before,
    sources: event.sources ?? before.sources,
    changed: event.copies === undefined ? changed : null,
  };
}

function wholeOf(event: ChunksEvent, name: string): ChunkFacts {
  const count = event.chunk_count ?? 0;
  return {
    download: event.download,
    name: event.path || name,
    chunkBytes: event.chunk_size ?? 0,
    sizeBytes: event.size_bytes ?? 0,
    count,
    sources: event.sources ?? [],
    states: bytesOf(event.states ?? ""),
    from: bytesOf(event.from ?? ""),
    copies: event.copies === undefined ? new Uint8Array(count) : bytesOf(event.copies),
    changed: null,
  };
}

export function takeTraffic(event: Events["traffic"], self: string): void {
  const { at, down_bytes_s, up_bytes_s, down_bytes, up_bytes } = event;
  const point = { at, downBytesS: down_bytes_s, upBytesS: up_bytes_s };
  const points = [...told.traffic.value.points.filter((each) => each.at > at - TRAFFIC_SPAN_S), point];
  told.traffic.value = { points, spanS: TRAFFIC_SPAN_S, downBytes: down_bytes, upBytes: up_bytes };
  told.swarm.value = {
    self,
    sources: event.sources.map(({ peer, rate_bytes_s }) => ({ peer, rateBytesS: rate_bytes_s, what: "" })),
    takers: event.takers.map((each) => ({ peer: each.peer || each.host, rateBytesS: each.rate_bytes_s, what: each.name })),
  };
}
