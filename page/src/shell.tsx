/** The frame of every view: where one is, how the peer stands, and the switches. */
import { effect } from "@preact/signals";
import type { ComponentType, JSX } from "preact";
import { connection, downRate, status, upRate, underWay } from "./live";
import { FetchView } from "./fetch/view";
import { FindView } from "./find/view";
import { KnowView } from "./know/view";
import { DropZone } from "./share/drop_zone";
import { isBusy } from "./share/queue";
import { ShareView } from "./share/view";
import { language, rate, type Language } from "./forms";
import { Gate } from "./gate";
import { Mark } from "./parts/comb";
import { Notices } from "./parts/dialog";
import { Icon, type IconName } from "./parts/icon";
import { SeeView } from "./see/view";
import { addressOf, view, VIEWS, type View } from "./route";
import { LANGUAGES, paint, speak, theme, words, type Theme } from "./words";

effect(() => {
  document.documentElement.lang = language.value;
  if (theme.value === "auto") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme.value;
});

effect(() => {
  const peer = status.value?.name;
  document.title = `${words.value.nav[view.value]} · ${peer ? `${peer} · ` : ""}Panal`;
});

const VIEW_OF: Record<View, ComponentType> = { find: FindView, fetch: FetchView, share: ShareView, see: SeeView, know: KnowView };

export function Shell(): JSX.Element {
  if (connection.value === "refused") return <Gate />;
  const Shown = VIEW_OF[view.value];
  return (
    <div class="shell">
      <header class="rail">
        <a class="button skip" href={location.hash} onClick={toContent}>{words.value.skip}</a>
        <a class="brand" href={addressOf("find")}>
          <Mark />
          Panal
        </a>
        <Tabs />
        <Standing />
      </header>
      <main class="main" id="content" tabIndex={-1} key={view.value}>
        {connection.value === "lost" && (
          <p class="note bad lost" role="alert">
            <Icon name="alert" />
            {words.value.lost}
          </p>
        )}
        <Shown />
      </main>
      <DropZone />
      <Notices />
    </div>
  );
}

function toContent(event: Event): void {
  event.preventDefault();
  document.getElementById("content")?.focus();
}

function Tabs(): JSX.Element {
  const moving = underWay.value.length;
  return (
    <nav class="tabs" aria-label={words.value.nav.label}>
      {VIEWS.map((each) => (
        <a key={each} href={addressOf(each)} aria-current={view.value === each ? "page" : undefined}>
          <Icon name={each} />
          {words.value.nav[each]}
          {each === "fetch" && moving > 0 && <span class="count">{moving}</span>}
          {each === "share" && isBusy.value && <span class="count"><Icon name="up" /></span>}
          {each === "know" && status.value && !status.value.registered && <span class="dot" />}
        </a>
      ))}
    </nav>
  );
}

function Standing(): JSX.Element {
  const now = status.value;
  const state = !now?.registered ? "off" : now.reachable ? "good" : "part";
  return (
    <div class="standing">
      <div class="rates number">
        <span>
          <Icon name="down" />
          <span class="unseen">{words.value.down}</span>
          {rate(downRate.value)}
        </span>
        <span>
          <Icon name="up" />
          <span class="unseen">{words.value.up}</span>
          {rate(upRate.value)}
        </span>
      </div>
      {now && (
        <a class="who" href={addressOf("know")}>
          <span class={`state-cell ${state}`} />
          <span class="grow one-line">
            <bdi>{now.name}</bdi>
          </span>
          <span class="unseen">{words.value.standing[state]}</span>
        </a>
      )}
      <Switches />
    </div>
  );
}

const NEXT_THEME: Record<Theme, Theme> = { auto: "light", light: "dark", dark: "auto" };
const THEME_ICON: Record<Theme, IconName> = { auto: "auto", light: "light", dark: "dark" };

function Switches(): JSX.Element {
  const other: Language = language.value === "en" ? "es" : "en";
  const { label, ...names } = words.value.theme;
  return (
    <div class="switches">
      <button type="button" class="button bare" aria-label={`${label}: ${names[theme.value]}`} title={`${label}: ${names[theme.value]}`}
        onClick={() => paint(NEXT_THEME[theme.value])}>
        <Icon name={THEME_ICON[theme.value]} />
      </button>
      <button type="button" class="button bare" lang={other} aria-label={LANGUAGES[other].language} onClick={() => speak(other)}>
        <span class="short" aria-hidden="true">{other.toUpperCase()}</span>
        <span class="long" aria-hidden="true">{LANGUAGES[other].language}</span>
      </button>
    </div>
  );
}
