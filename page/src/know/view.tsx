/** Know: how this peer stands, its limits, who is here, and what happened. */
import type { JSX } from "preact";
import { words } from "../words";
import { GuestLinkList } from "./guests";
import { EventLog } from "./log";
import { Members } from "./members";
import { Limits } from "./limits";
import { Standing } from "./standing";

export function KnowView(): JSX.Element {
  return (
    <section class="view know">
      <header>
        <h1>{words.value.know.title}</h1>
      </header>
      <div class="columns">
        <Standing />
        <Limits />
      </div>
      <div class="columns">
        <Members />
        <GuestLinkList />
      </div>
      <EventLog />
      <p class="about small faint">
        <a href="/page/licences.txt">{words.value.know.about}</a>
        {" · "}
        <a href="/docs">API</a>
      </p>
    </section>
  );
}
