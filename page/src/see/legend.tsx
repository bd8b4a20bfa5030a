/** What the cells mean: how many chunks of each state, and how many came from each peer. */
import { useState } from "preact/hooks";
import type { JSX } from "preact";
import { count, percent, rate, size } from "../forms";
import { words } from "../words";
import { totalsOf } from "./cells";
import type { ChunkFacts } from "./facts";
import type { Line } from "./lines";
import { peerColour } from "./paints";

export function States({ chunks }: { chunks: ChunkFacts }): JSX.Element {
  const say = words.value.see;
  const totals = totalsOf(chunks);
  const missing = chunks.count - totals.verified - totals.fetching - totals.failed;
  const all = [
    ["verified", say.verified, totals.verified],
    ["fetching", say.fetching, totals.fetching],
    ["missing", say.missing, missing],
    ["failed", say.failed, totals.failed],
    ["rare", say.rare, totals.rare],
  ] as const;
  return (
    <ul class="states small" aria-label={say.states}>
      {all.map(([name, label, n]) => (
        <li key={name} class={n ? name : `${name} faint`}>
          <Sign name={name} />
          {label}
          <b class="number">{count(n)}</b>
        </li>
      ))}
    </ul>
  );
}

const HEXAGON = "M8 1 14.06 4.5v7L8 15 1.94 11.5v-7Z";
const CORE = "M8 5 10.6 6.5v3L8 11 5.4 9.5v-3Z";

function Sign({ name }: { name: "verified" | "fetching" | "missing" | "rare" | "failed" }): JSX.Element {
  return (
    <svg class={`sign ${name}`} viewBox="0 0 16 16" aria-hidden="true">
      <path class="edge" d={HEXAGON} />
      {name === "fetching" && <path class="core" d={CORE} />}
      {name === "rare" && <circle class="core" cx="8" cy="8" r="1.9" />}
      {name === "failed" && <path class="cross" d="m5.4 5.4 5.2 5.2m0-5.2-5.2 5.2" />}
    </svg>
  );
}

/** So many are listed until all are asked for. */
const MOST = 12;

/** From whom how much came, the most first. */
export function Shares({ chunks, sources }: { chunks: ChunkFacts; sources: readonly Line[] }): JSX.Element {
  const say = words.value.see;
  const [isWhole, setWhole] = useState(false);
  const totals = totalsOf(chunks);
  const flows = new Map(sources.map((flow) => [flow.peer, flow]));
  const rows = chunks.sources
    .map((peer, index) => ({ peer, index, n: totals.bySource[index] ?? 0 }))
    .sort((one, other) => other.n - one.n);
  const shown = isWhole ? rows : rows.slice(0, MOST);
  return (
    <>
      <ul class="shares" aria-label={say.byPeer}>
        {shown.map(({ peer, index, n }) => (
          <li key={peer}>
            <i class="swatch" style={{ background: peerColour(index) }} />
            <bdi class="one-line grow">{peer}</bdi>
            <span class="number soft">{flows.get(peer)?.rate ? rate(flows.get(peer)?.rate ?? 0) : (flows.get(peer)?.note ?? "")}</span>
            <span class="number">{size(Math.min(n * chunks.chunkBytes, chunks.sizeBytes))}</span>
            <span class="number part">{part(n, chunks.count)}</span>
          </li>
        ))}
        {totals.before > 0 && (
          <li>
            <i class="swatch before" />
            <span class="one-line grow">{say.fromBefore}</span>
            <span />
            <span class="number">{size(Math.min(totals.before * chunks.chunkBytes, chunks.sizeBytes))}</span>
            <span class="number part">{part(totals.before, chunks.count)}</span>
          </li>
        )}
      </ul>
      {rows.length > MOST && (
        <button type="button" class="button bare small more" aria-expanded={isWhole} onClick={() => setWhole(!isWhole)}>
          {isWhole ? say.fewerPeers : say.allPeers(rows.length)}
        </button>
      )}
    </>
  );
}

/** Something is never 0 %. */
function part(n: number, all: number): string {
  return n > 0 && n / all < 0.01 ? `< ${percent(1, 100)}` : percent(n, all);
}
