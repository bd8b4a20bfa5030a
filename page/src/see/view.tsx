/** See: the honeycomb of one download, whom this peer takes from and gives to, and the traffic. */
import { computed, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { JSX } from "preact";
import type { Download } from "../api";
import { duration, percent, rate, size } from "../forms";
import { downloads, status } from "../live";
import { watched } from "../watching";
import { EmptyComb } from "../parts/comb";
import { addressOf, amend, go } from "../route";
import { words } from "../words";
import { chunks, traffic } from "./facts";
import { Honeycomb } from "./honeycomb";
import { Shares, States } from "./legend";
import { linesIn, linesOut } from "./lines";
import { PEER_COLOURS, peerColour } from "./paints";
import { SwarmPicture } from "./swarm";
import { Traffic } from "./traffic";

const now = signal(Date.now() / 1000);

/** The download whose chunks are told, or the newest there is. */
const shownDownload = computed<Download | null>(() => {
  const all = downloads.value.filter((each) => each.content);
  return all.find((each) => each.id === watched.value) ?? all.at(-1) ?? null;
});

export function SeeView(): JSX.Element {
  const say = words.value.see;
  useEffect(() => {
    const ticking = setInterval(() => (now.value = Date.now() / 1000), 1_000);
    return () => clearInterval(ticking);
  }, []);
  const shown = shownDownload.value;
  useEffect(() => {
    if (shown && !watched.value) amend({ watch: shown.id });
  }, [shown?.id]);
  return (
    <section class="view see">
      <header>
        <div>
          <h1>{say.title}</h1>
          <p>{say.lead}</p>
        </div>
        {downloads.value.length > 1 && <Choice shown={shown} />}
      </header>
      {shown ? <Watched download={shown} /> : <NothingToSee />}
      <section class="card" aria-labelledby="swarm-title">
        <h2 id="swarm-title">{say.swarm}</h2>
        <SwarmPicture self={status.value?.name ?? ""} sources={linesIn.value} takers={linesOut.value} colourOf={colourOf} />
      </section>
      <section class="card" aria-labelledby="traffic-title">
        <h2 id="traffic-title">{say.traffic}</h2>
        <Traffic points={traffic.value.points} now={now.value} />
      </section>
    </section>
  );
}

function Choice({ shown }: { shown: Download | null }): JSX.Element {
  const say = words.value.see;
  const choose = (id: string): void => go("see", { watch: id });
  return (
    <select class="field" aria-label={say.which} value={shown?.id ?? ""} onChange={(event) => choose(event.currentTarget.value)}>
      {[...downloads.value].reverse().filter((each) => each.content).map((each) => (
        <option key={each.id} value={each.id}>{each.name ?? each.what}</option>
      ))}
    </select>
  );
}

function Watched({ download }: { download: Download }): JSX.Element {
  const say = words.value.see;
  const picture = chunks.value?.download === download.id ? chunks.value : null;
  return (
    <section class="card watched" aria-labelledby="watched-title">
      <div class="watched-head">
        <h2 id="watched-title" class="one-line"><bdi>{download.name ?? download.what}</bdi></h2>
        <p class="soft progress-words">{progressWords(download)}</p>
      </div>
      {download.reason && (
        <p class={download.state === "failed" || download.state === "done" ? "note bad" : "note"} lang="en"><bdi>{download.reason}</bdi></p>
      )}
      {picture ? (
        <>
          <Honeycomb chunks={picture} />
          <States chunks={picture} />
          {picture.sources.length > 0 && <Shares chunks={picture} sources={linesIn.value} />}
        </>
      ) : (
        <p class="soft">{say.noPicture}</p>
      )}
    </section>
  );
}

function NothingToSee(): JSX.Element {
  const say = words.value.see;
  return (
    <div class="card empty">
      <EmptyComb lit={[3, 4]} />
      <h2>{say.nothing}</h2>
      <p>{say.nothingWords}</p>
      <a class="button" href={addressOf("find")}>{say.toFind}</a>
    </div>
  );
}

function progressWords(download: Download): string {
  const say = words.value.see;
  const part = `${size(download.bytes_done)} / ${size(download.size)} · ${percent(download.bytes_done, download.size)}`;
  if (download.state === "done") return `${size(download.size)} · ${say.done}`;
  if (download.state !== "running") return `${words.value.fetch.states[download.state]} · ${part}`;
  const left = download.eta_s === null ? "" : ` · ${say.left(duration(download.eta_s))}`;
  return `${part} · ${rate(download.rate_bytes_s)}${left}`;
}

/** As in the honeycomb, where it is a source there; else by its name, so that it stays the same. */
function colourOf(peer: string): string {
  const index = chunks.value?.sources.indexOf(peer) ?? -1;
  if (index >= 0) return peerColour(index);
  let sum = 0;
  for (const letter of peer) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % PEER_COLOURS;
  return peerColour(sum);
}
