/** One file on its way in. */
import type { JSX } from "preact";
import { percent, rate, size } from "../forms";
import { Cell } from "../parts/comb";
import { Icon, iconOf } from "../parts/icon";
import { words } from "../words";
import { cancel, goOn, pause, Unreadable, type Entry, type EntryState } from "./queue";

const TONES: Record<EntryState, "amber" | "good" | "bad" | "still"> = {
  waiting: "still", sending: "amber", paused: "still", checking: "amber", done: "good", failed: "bad", skipped: "still", asking: "amber",
};

export function EntryRow({ entry }: { entry: Entry }): JSX.Element {
  const say = words.value.share;
  const act = words.value.act;
  const state = entry.state.value;
  const part = entry.file.size ? entry.sent.value / entry.file.size : 0;
  const isMoving = state === "sending" || state === "checking";
  return (
    <div class="item entry">
      <Cell tone={TONES[state]} filled={isMoving || state === "paused" ? part : 0}>
        <Icon name={state === "done" ? "check" : state === "failed" ? "alert" : iconOf(entry.path, "file")} />
      </Cell>
      <div class="what">
        <div class="name one-line"><bdi title={entry.path}>{entry.path}</bdi></div>
        <p class="facts-line small soft">
          <b class={TONES[state]}>{say.states[state]}</b>
          {isMoving && <span class="number">{percent(entry.sent.value, entry.file.size)}</span>}
          <span class="number">{isMoving ? say.total(size(entry.sent.value), size(entry.file.size)) : size(entry.file.size)}</span>
          {entry.rate.value > 0 && <span class="number">{rate(entry.rate.value)}</span>}
          {entry.why.value && <span class="bad one-line" lang={entry.file instanceof Unreadable ? undefined : "en"}><bdi title={entry.why.value}>{entry.why.value}</bdi></span>}
        </p>
      </div>
      <div class="act row">
        {state === "sending" && <Only icon="pause" label={`${act.pause}: ${entry.path}`} onClick={() => pause(entry)} />}
        {state === "paused" && <Only icon="play" label={`${act.resume}: ${entry.path}`} onClick={() => goOn(entry)} />}
        {state === "failed" && !(entry.file instanceof Unreadable) && <Only icon="retry" label={`${act.retry}: ${entry.path}`} onClick={() => goOn(entry)} />}
        {state !== "done" && <Only icon="close" label={`${act.cancel}: ${entry.path}`} onClick={() => cancel(entry)} />}
      </div>
    </div>
  );
}

function Only({ icon, label, onClick }: { icon: "pause" | "play" | "retry" | "close"; label: string; onClick: () => void }): JSX.Element {
  return (
    <button type="button" class="button bare only small" data-stop aria-label={label} onClick={onClick}>
      <Icon name={icon} />
    </button>
  );
}
