/** Find: as one types, over everybody's files. */
import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import type { JSX } from "preact";
import { api, type Hit } from "../api";
import { FolderLevel } from "../browse/level";
import { size } from "../forms";
import { noteDownload, peers, status } from "../live";
import { EmptyComb } from "../parts/comb";
import { tell, tellError } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { focusRow, List } from "../parts/list";
import { addressOf, amend, place } from "../route";
import { words } from "../words";
import { HitDetails } from "./details";
import { HitRow } from "./row";
import { answered, failure, hits, isAll, isCapped, isLoading, onSeen, SIZES, SORTS, wanted, type Wanted } from "./results";

const shownHit = signal<Hit | null>(null);

function change(values: Partial<Wanted>): void {
  amend({ ...wanted.value, ...values });
}

export function FindView(): JSX.Element {
  const say = words.value.find;
  const browsed = place.value.values.get("browse");
  if (browsed) return <BrowsedPeer peer={browsed} />;
  return (
    <section class="view find">
      <header class="unseen">
        <h1>{say.title}</h1>
      </header>
      <div class="search">
        <SearchField />
        <Filters />
      </div>
      <Results />
      {shownHit.value && <HitDetails hit={shownHit.value} onClose={() => (shownHit.value = null)} />}
    </section>
  );
}

function BrowsedPeer({ peer }: { peer: string }): JSX.Element {
  const say = words.value.find;
  const path = place.value.values.get("under") ?? "";
  return (
    <section class="view browse">
      <header>
        <div>
          <h1><bdi>{peer}</bdi></h1>
          <p><a href={addressOf("find")}>{say.back}</a></p>
        </div>
      </header>
      <FolderLevel peer={peer} path={path} isOwn={peer === status.value?.name}
        addressOf={(under) => addressOf("find", { browse: peer, under })} empty={{ title: say.emptyPeer, words: "" }} />
    </section>
  );
}

function SearchField(): JSX.Element {
  const say = words.value.find;
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (matchMedia("(hover: hover)").matches) field.current?.focus({ preventScroll: true });
    const onKey = (event: KeyboardEvent): void => {
      const target = event.target as HTMLElement;
      if (event.key !== "/" || event.ctrlKey || event.metaKey || target.closest("input, textarea, select, dialog")) return;
      event.preventDefault();
      field.current?.focus();
      field.current?.select();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  const intoList = (event: KeyboardEvent): void => {
    const list = document.querySelector<HTMLElement>(".find .rows");
    if (event.key !== "ArrowDown" || !list) return;
    event.preventDefault();
    focusRow(list, 0);
  };
  return (
    <div class="words" role="search">
      <Icon name="find" />
      <input ref={field} type="search" class="field" aria-label={say.search} placeholder={say.hint} value={wanted.value.q}
        autocomplete="off" spellcheck={false} enterkeyhint="search" dir="auto" onKeyDown={intoList}
        onInput={(event) => change({ q: event.currentTarget.value })} />
      <kbd aria-hidden="true">/</kbd>
    </div>
  );
}

function Filters(): JSX.Element {
  const say = words.value.find;
  const now = wanted.value;
  const kinds = [["", say.all], ["file", say.onlyFiles], ["collection", say.onlyFolders]] as const;
  const isNarrowed = now.kind || now.size || now.peer;
  return (
    <div class="filters">
      <div class="choices" role="group" aria-label={say.kind}>
        {kinds.map(([kind, name]) => (
          <button key={kind} type="button" aria-pressed={now.kind === kind} onClick={() => change({ kind })}>{name}</button>
        ))}
      </div>
      <select class="field" aria-label={say.size} value={now.size} onChange={(event) => change({ size: event.currentTarget.value })}>
        {SIZES.map(({ key, min, max }) => (
          <option key={key} value={key}>{max ? say.upTo(size(max)) : min ? say.from(size(min)) : say.anySize}</option>
        ))}
      </select>
      <select class="field" aria-label={say.peer} value={now.peer} onChange={(event) => change({ peer: event.currentTarget.value })}>
        <option value="">{say.anybody}</option>
        {now.peer && !peers.value.some((each) => each.name === now.peer) && <option value={now.peer}>{now.peer}</option>}
        {peers.value.map((each) => <option key={each.name} value={each.name}>{each.name}</option>)}
      </select>
      {isNarrowed && (
        <button type="button" class="button bare" onClick={() => change({ kind: "", size: "", peer: "" })}>
          <Icon name="close" />
          {say.clear}
        </button>
      )}
      <select class="field sort" aria-label={say.sort} value={now.sort} onChange={(event) => change({ sort: event.currentTarget.value })}>
        {SORTS.map((each) => <option key={each} value={each === "best" ? "" : each}>{say.sorts[each]}</option>)}
      </select>
    </div>
  );
}

const rowHeight = (): number => (matchMedia("(max-width: 40rem)").matches ? 4.75 : 3.75);

/** The height of a row in rem, which a narrow window changes. */
function useRowHeight(): number {
  const [rem, setRem] = useState(rowHeight);
  useEffect(() => {
    const narrow = matchMedia("(max-width: 40rem)");
    const look = (): void => setRem(rowHeight());
    narrow.addEventListener("change", look);
    return () => narrow.removeEventListener("change", look);
  }, []);
  return rem;
}

function Results(): JSX.Element {
  const say = words.value.find;
  const found = hits.value;
  const rowRem = useRowHeight();
  if (failure.value) {
    return (
      <p class="note bad" role="alert">
        <Icon name="alert" />
        <span lang="en">{failure.value instanceof Error ? failure.value.message : words.value.failed}</span>
      </p>
    );
  }
  if (found.length === 0) return answered.value && !isLoading.value ? <Nothing /> : <div class="waiting" aria-busy="true" />;
  return (
    <>
      <p class="unseen" role="status">{say.found(isAll.value ? found.length : found.length + 1, isAll.value)}</p>
      <div class="above small faint">
        <span class="number" aria-hidden="true">{say.found(isAll.value ? found.length : found.length + 1, isAll.value)}</span>
        {isCapped.value && <span>{say.capped}</span>}
      </div>
      <List count={found.length} rowRem={rowRem} label={say.list} onSeen={onSeen} keyOf={(index) => found[index]?.id ?? index}
        row={(index) => {
          const hit = found[index];
          return hit && <HitRow hit={hit} onDetails={() => (shownHit.value = hit)} />;
        }} />
    </>
  );
}

function Nothing(): JSX.Element {
  const say = words.value.find;
  const { q, kind, size: range, peer } = answered.value ?? wanted.value;
  const isBare = !q && !kind && !range && !peer;
  const wait = async (): Promise<void> => {
    try {
      await noteDownload(api.fetch(q, undefined, true));
      tell(say.begun(q));
    } catch (error) {
      tellError(error);
    }
  };
  return (
    <div class="empty">
      <EmptyComb lit={isBare ? [3] : []} />
      <h2>{isBare ? say.nobody : say.nothing}</h2>
      <p>{isBare ? say.nobodyWords : say.nothingWords}</p>
      {q && !kind && !range && !peer && <button type="button" class="button" onClick={() => void wait()}>{say.wait}</button>}
    </div>
  );
}
