/** One download: how far, how fast, how long, from whom, and why it waits. */
import { memo } from "../parts/memo";
import { useState } from "preact/hooks";
import type { JSX } from "preact";
import type { Download } from "../api";
import { duration, percent, rate, size } from "../forms";
import { downloads, isUnderWay } from "../live";
import { Cell } from "../parts/comb";
import { Dialog, Menu } from "../parts/dialog";
import { GuestDialog } from "../parts/guest";
import { Icon, iconOf } from "../parts/icon";
import { go } from "../route";
import { words } from "../words";
import { copyCurl, copyLink, first, pause, remove, resume, retry } from "./act";
import { WhyDialog } from "./why";

type Open = "why" | "cancel" | "guest" | null;

export const nameOf = (download: Download): string => download.name?.split("/").at(-1) ?? download.what;

const TONES = { queued: "still", running: "amber", waiting: "still", paused: "still", done: "good", failed: "bad" } as const;

export const DownloadRow = memo(({ download }: { download: Download }): JSX.Element => {
  const [open, setOpen] = useState<Open>(null);
  const name = nameOf(download);
  const tone = TONES[download.state];
  const close = (): void => setOpen(null);
  const part = download.size ? download.bytes_done / download.size : 0;
  return (
    <li class="item download">
      <Cell tone={tone} filled={download.state === "done" || download.state === "failed" ? 0 : part}>
        <Icon name={download.state === "done" ? "check" : download.state === "failed" ? "alert" : iconOf(name, download.files ? "collection" : "file")} />
      </Cell>
      <div class="what">
        <button type="button" class="name one-line" title={download.name ?? download.what} onClick={() => setOpen("why")}>
          <bdi>{name}</bdi>
        </button>
        {download.state !== "done" && download.size > 0 && <Bar download={download} tone={tone} />}
        <Facts download={download} />
        <Reason download={download} />
      </div>
      <Buttons download={download} name={name} onOpen={setOpen} />
      {open === "why" && <WhyDialog download={download} onClose={close} />}
      {open === "guest" && <GuestDialog what={download.content ?? download.what} name={name} onClose={close} />}
      {open === "cancel" && <CancelDialog download={download} name={name} onClose={close} />}
    </li>
  );
});

function Bar({ download, tone }: { download: Download; tone: string }): JSX.Element {
  const { size: all, bytes_done: done, bytes_resumed: before } = download;
  return (
    <div class={`bar ${tone}`} role="progressbar" aria-label={nameOf(download)} aria-valuemin={0} aria-valuemax={100}
      aria-valuenow={Math.floor((100 * done) / all)}>
      <i style={{ transform: `scaleX(${done / all})` }} />
      {before > 0 && <i class="before" style={{ transform: `scaleX(${Math.min(before, done) / all})` }} />}
    </div>
  );
}

function Facts({ download }: { download: Download }): JSX.Element {
  const say = words.value.fetch;
  const isDone = download.state === "done";
  const sending = download.sources.filter((each) => (isDone ? each.bytes > 0 : each.rate_bytes_s > 0 || each.state === "sending"));
  const named = (sending.length ? sending : []).map((each) => each.peer);
  return (
    <p class="facts-line small soft">
      <b class={TONES[download.state]}>{say.states[download.state]}</b>
      {!isDone && download.size > 0 && <span class="number">{percent(download.bytes_done, download.size)}</span>}
      {download.size > 0 && <span class="number">{isDone ? size(download.size) : say.of(size(download.bytes_done), size(download.size))}</span>}
      {download.files > 0 && <span class="number">{say.filesDone(download.files_done, download.files)}</span>}
      {download.rate_bytes_s > 0 && <span class="number">{rate(download.rate_bytes_s)}</span>}
      {download.eta_s !== null && !isDone && <span class="number">{say.left(duration(download.eta_s))}</span>}
      {isDone && download.transfer_s >= 0.05 && <span class="number">{say.took(duration(Math.max(1, download.transfer_s)))}</span>}
      {named.length > 0 && <span><bdi>{say.from(named.slice(0, 3).join(", "), named.length - 3)}</bdi></span>}
      {download.bytes_resumed > 0 && !isDone && <span class="number">{say.resumed(size(download.bytes_resumed))}</span>}
    </p>
  );
}

/** In the reader's language where the page knows the reason; else in the peer's own words. */
function Reason({ download }: { download: Download }): JSX.Element | null {
  const say = words.value.fetch;
  if (download.state === "queued") return <p class="small faint">{say.turn}</p>;
  if (download.held_back) return <p class="small faint">{say.held}</p>;
  if (!download.reason) return null;
  const isBad = download.state === "failed" || download.state === "done";
  return <p class={`small ${isBad ? "bad" : "faint"}`} lang="en"><bdi>{download.reason}</bdi></p>;
}

interface ButtonsProps { download: Download; name: string; onOpen: (what: Open) => void }

function Buttons({ download, name, onOpen }: ButtonsProps): JSX.Element {
  const act = words.value.act;
  const isMoving = isUnderWay(download);
  const isPaused = download.state === "paused";
  const content = download.content;
  const cancel = (): void => {
    if (download.bytes_done > download.bytes_copied) onOpen("cancel");
    else void remove(download);
  };
  return (
    <div class="act row">
      {isMoving && <Only icon="pause" words={act.pause} name={name} onClick={() => void pause(download)} />}
      {isPaused && <Only icon="play" words={act.resume} name={name} onClick={() => void resume(download)} />}
      {download.state === "failed" && <Only icon="retry" words={act.retry} name={name} onClick={() => void retry(download)} />}
      {(isMoving || isPaused) && <Only icon="close" words={act.cancel} name={name} onClick={cancel} />}
      <Menu label={`${words.value.more}: ${name}`} entries={[
        { icon: "why", words: act.why, act: () => onOpen("why") },
        isMoving && !!content && { icon: "see", words: act.see, act: () => go("see", { watch: download.id }) },
        download.state === "queued" && { icon: "up", words: act.first, act: () => void first(download, downloads.value) },
        download.state === "done" && !!content && { icon: "link", words: act.copyLink, act: () => void copyLink(content) },
        download.state === "done" && !!content && !download.files && { icon: "terminal", words: act.copyCurl, act: () => void copyCurl(content) },
        download.state === "done" && !!content && { icon: "guest", words: act.guest, act: () => onOpen("guest") },
        !isMoving && !isPaused && { icon: "close", words: act.remove, act: () => void remove(download) },
      ]} />
    </div>
  );
}

interface OnlyProps { icon: "pause" | "play" | "retry" | "close"; words: string; name: string; onClick: () => void }

function Only({ icon, words: label, name, onClick }: OnlyProps): JSX.Element {
  return (
    <button type="button" class="button bare only small" aria-label={`${label}: ${name}`} title={label} onClick={onClick}>
      <Icon name={icon} />
    </button>
  );
}

function CancelDialog({ download, name, onClose }: { download: Download; name: string; onClose: () => void }): JSX.Element {
  const say = words.value.fetch;
  const end = (andDelete: boolean): void => {
    onClose();
    void remove(download, andDelete);
  };
  return (
    <Dialog title={<bdi>{say.removeTitle(name)}</bdi>} onClose={onClose} feet={
      <>
        <button type="button" class="button danger" onClick={() => end(true)}>{say.removeAll}</button>
        <button type="button" class="button" onClick={() => end(false)}>{words.value.cancel}</button>
        <button type="button" class="button main" onClick={onClose}>{say.keepGoing}</button>
      </>
    }>
      <p class="soft">{say.removeWords}</p>
    </Dialog>
  );
}
