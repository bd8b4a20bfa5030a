/** What one download waits for, or what limits it, as the peer explains it. */
import { useEffect, useState } from "preact/hooks";
import type { JSX } from "preact";
import { api, type Download, type Why } from "../api";
import { percent, rate, size } from "../forms";
import { Dialog } from "../parts/dialog";
import { words } from "../words";
import { nameOf } from "./row";

const AGAIN_MS = 1_000;

export function WhyDialog({ download, onClose }: { download: Download; onClose: () => void }): JSX.Element {
  const say = words.value.fetch;
  const [why, setWhy] = useState<Why | null>(null);
  useEffect(() => {
    let isOver = false;
    const ask = async (): Promise<void> => {
      try {
        const told = await api.why(download.id);
        if (!isOver) setWhy(told);
      } catch {
        return; // It was taken off the list.
      }
      if (!isOver && isToldAgain(download)) timer = setTimeout(() => void ask(), AGAIN_MS);
    };
    let timer: ReturnType<typeof setTimeout> | undefined;
    void ask();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [download.id, download.state]);
  const sources = why?.contents.flatMap((each) => each.sources) ?? [];
  return (
    <Dialog side title={<bdi>{nameOf(download)}</bdi>} onClose={onClose}>
      <dl class="facts">
        <dt>{say.states[download.state]}</dt>
        <dd class="number">{download.size > 0 && `${percent(download.bytes_done, download.size)} · ${say.of(size(download.bytes_done), size(download.size))}`}</dd>
        {download.name && (
          <>
            <dt>{words.value.find.path}</dt>
            <dd><bdi>{download.name}</bdi></dd>
          </>
        )}
        {download.content && (
          <>
            <dt>{words.value.find.id}</dt>
            <dd class="mono">{download.content}</dd>
          </>
        )}
      </dl>
      {why && (
        <div class="why" lang="en">
          <p><b><bdi>{why.why}</bdi></b></p>
          {why.more.map((each) => <p key={each} class="soft"><bdi>{each}</bdi></p>)}
          {why.advice && <p class="note warn"><bdi>{why.advice}</bdi></p>}
        </div>
      )}
      {sources.length > 0 && (
        <>
          <h3>{say.sources} <span class="faint number">{sources.length}</span></h3>
          <ul class="holders">
            {sources.map((each, index) => (
              <li key={index}>
                <b><bdi>{each.peer}</bdi>{each.rate_bytes_s > 0 && <div class="small faint number">{rate(each.rate_bytes_s)}</div>}</b>
                <span class="soft" lang="en"><bdi>{each.words}</bdi></span>
              </li>
            ))}
          </ul>
        </>
      )}
      {why && why.missing_files.length > 0 && (
        <>
          <h3>{say.missing}</h3>
          <ul class="small soft">{why.missing_files.map((each) => <li key={each}><bdi>{each}</bdi></li>)}</ul>
        </>
      )}
    </Dialog>
  );
}

function isToldAgain(download: Download): boolean {
  return download.state !== "done" && download.state !== "failed";
}
