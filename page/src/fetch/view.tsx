/** Fetch: everything that was asked for, how far it is and what it waits for. */
import { computed, signal } from "@preact/signals";
import type { JSX } from "preact";
import type { Download } from "../api";
import { rate } from "../forms";
import { downloads, downRate, isUnderWay, underWay } from "../live";
import { EmptyComb } from "../parts/comb";
import { Icon } from "../parts/icon";
import { addressOf } from "../route";
import { words } from "../words";
import { begin, remove } from "./act";
import { DownloadRow } from "./row";

const asked = signal("");
const SHOWN = 200;
const shown = signal(SHOWN);

const now = computed(() => downloads.value.filter((each) => isUnderWay(each) || each.state === "paused"));
const ended = computed(() => downloads.value.filter((each) => each.state === "done" || each.state === "failed").reverse());

export function FetchView(): JSX.Element {
  const say = words.value.fetch;
  const moving = underWay.value.length;
  return (
    <section class="view fetch">
      <header>
        <div>
          <h1>{say.title}</h1>
          <p class="number">{moving ? say.lead(moving, rate(downRate.value)) : say.idle}</p>
        </div>
        <AskField />
      </header>
      {downloads.value.length === 0 && <Nothing />}
      {now.value.length > 0 && <Group title={say.now} rows={now.value} />}
      {ended.value.length > 0 && (
        <Group title={say.ended} rows={ended.value.slice(0, shown.value)}>
          <button type="button" class="button bare small" onClick={() => ended.value.forEach((each) => void remove(each))}>
            {say.clear}
          </button>
        </Group>
      )}
      {ended.value.length > shown.value && (
        <button type="button" class="button" onClick={() => (shown.value += SHOWN)}>{words.value.more}</button>
      )}
    </section>
  );
}

function AskField(): JSX.Element {
  const say = words.value.fetch;
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const what = asked.value.trim();
    if (!what) return;
    asked.value = "";
    await begin(what);
  };
  return (
    <form class="ask row" onSubmit={(event) => void submit(event)}>
      <input class="field" aria-label={say.ask} placeholder={say.askHint} value={asked.value} autocomplete="off"
        spellcheck={false} onInput={(event) => (asked.value = event.currentTarget.value)} />
      <button type="submit" class="button main">
        <Icon name="fetch" />
        {say.askFor}
      </button>
    </form>
  );
}

interface GroupProps { title: string; rows: readonly Download[]; children?: JSX.Element }

function Group({ title, rows, children }: GroupProps): JSX.Element {
  return (
    <section class="group">
      <div class="row spread">
        <h2>{title} <span class="faint number">{rows.length}</span></h2>
        {children}
      </div>
      <ul aria-label={title}>
        {rows.map((each) => <DownloadRow key={each.id} download={each} />)}
      </ul>
    </section>
  );
}

function Nothing(): JSX.Element {
  const say = words.value.fetch;
  return (
    <div class="empty">
      <EmptyComb lit={[3, 5]} />
      <h2>{say.nothing}</h2>
      <p>{say.nothingWords}</p>
      <a class="button" href={addressOf("find")}><Icon name="find" />{say.find}</a>
    </div>
  );
}
