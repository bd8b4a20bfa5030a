/** Whom this peer takes from and gives to, one line each, with what there is to say of it. */
import { computed } from "@preact/signals";
import { downloads, isUnderWay } from "../live";
import { words } from "../words";
import { swarm } from "./facts";

export interface Line {
  readonly peer: string;
  readonly rate: number;
  /** In the words of the reader's language, where nothing moves. */
  readonly note: string;
  /** It stands for several. */
  readonly isMany?: boolean;
}

/** Everybody whom a download that is under way knows; those who send nothing with what they do. */
export const linesIn = computed<readonly Line[]>(() => {
  const rates = new Map(swarm.value.sources.map((flow) => [flow.peer, flow.rateBytesS]));
  const lines = new Map<string, Line>();
  for (const download of downloads.value.filter(isUnderWay)) {
    for (const source of download.sources) {
      const rate = rates.get(source.peer) ?? (lines.get(source.peer)?.rate ?? 0) + source.rate_bytes_s;
      lines.set(source.peer, { peer: source.peer, rate, note: words.value.see.sourceState(source.state) });
    }
  }
  return [...lines.values()];
});

/** Several connections of one peer are one line. */
export const linesOut = computed<readonly Line[]>(() => {
  const lines = new Map<string, Line>();
  for (const { peer, rateBytesS } of swarm.value.takers) {
    const rate = (lines.get(peer)?.rate ?? 0) + rateBytesS;
    lines.set(peer, { peer, rate, note: words.value.see.waits });
  }
  return [...lines.values()];
});
