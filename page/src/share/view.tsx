/** Share: what is on its way in, and what is there. */
import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import { FolderLevel } from "../browse/level";
import { rate, size } from "../forms";
import { status } from "../live";
import { Icon } from "../parts/icon";
import { List } from "../parts/list";
import { addressOf, place } from "../route";
import { words } from "../words";
import { ConflictDialog } from "./conflict";
import { takeChosen } from "./dropping";
import { asking, clearOver, entries, isBusy, reading, totals } from "./queue";
import { EntryRow } from "./row";
import { Unfinished } from "./unfinished";

export function ShareView(): JSX.Element {
  const say = words.value.share;
  const now = status.value;
  const under = place.value.values.get("under") ?? "";
  return (
    <section class="view share">
      <header>
        <div>
          <h1>{say.title}</h1>
          <p>{say.lead}</p>
        </div>
      </header>
      <Choosing />
      <Queue />
      <Unfinished />
      {asking.value && <ConflictDialog key={asking.value.id} entry={asking.value} />}
      <section class="group">
        <div class="row spread wrap">
          <h2>{say.own}</h2>
          {now && (
            <span class="small faint number">
              {words.value.know.sharesWords(now.files, size(now.bytes))}
              {now.to_hash > 0 && ` · ${say.hashing(now.to_hash)}`}
            </span>
          )}
        </div>
        {now && <FolderLevel peer={now.name} path={under} isOwn addressOf={(path) => addressOf("share", { under: path })}
          empty={{ title: say.nothing, words: say.nothingWords }} />}
      </section>
    </section>
  );
}

function Choosing(): JSX.Element {
  const say = words.value.share;
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  return (
    <div class="choosing">
      <p><Icon name="share" />{say.drop}</p>
      <div class="row wrap">
        <button type="button" class="button main" onClick={() => files.current?.click()}>{say.files}</button>
        <button type="button" class="button" onClick={() => folder.current?.click()}>{say.folder}</button>
      </div>
      <input ref={files} type="file" multiple hidden aria-label={say.files} onChange={(event) => takeChosen(event.currentTarget)} />
      <input ref={folder} type="file" hidden aria-label={say.folder} {...{ webkitdirectory: true }} onChange={(event) => takeChosen(event.currentTarget)} />
    </div>
  );
}

const ROW_REM = 4;

function Queue(): JSX.Element | null {
  const say = words.value.share;
  const list = entries.value;
  if (list.length === 0 && reading.value === 0) return null;
  const { sent, size: all, rate: speed, done } = totals.value;
  return (
    <section class="group">
      <div class="row spread wrap">
        <h2>{say.queue} <span class="faint number">{words.value.fetch.filesDone(done, list.length)}</span></h2>
        <span class="row">
          <span class="small soft number">{say.total(size(sent), size(all))}{speed > 0 && ` · ${rate(speed)}`}</span>
          {!isBusy.value && <button type="button" class="button bare small" onClick={clearOver}>{say.clear}</button>}
        </span>
      </div>
      {reading.value > 0 && <p class="small soft" role="status">{say.reading(reading.value)}</p>}
      <List count={list.length} rowRem={ROW_REM} label={say.queue} keyOf={(index) => list[index]?.id ?? index} row={(index) => {
        const entry = list[index];
        return entry && <EntryRow entry={entry} />;
      }} />
    </section>
  );
}
