/** What happened at this peer's doors, the newest first. */
import type { JSX } from "preact";
import { clockTime, moment } from "../forms";
import { log } from "../live";
import { words } from "../words";

const DAY_MS = 86_400_000;

export function EventLog(): JSX.Element {
  const say = words.value.know;
  const newest = log.value.slice().reverse();
  return (
    <section class="card">
      <h2>{say.log}</h2>
      {newest.length === 0 && <p class="faint">{say.logNone}</p>}
      <div class="log" role="log" aria-label={say.log} tabIndex={0}><ol>
        {newest.map((each, index) => (
          <li key={newest.length - index}>
            <time class="number faint" dateTime={each.at}>{timeOf(each.at)}</time>
            <b class={each.event === "refused" ? "bad" : ""}>{say.events[each.event] ?? each.event}</b>
            <span class="soft">
              {[each.name, each.what, each.why, each.host].filter(Boolean).map((part, at) => <bdi key={at}>{part}</bdi>)}
            </span>
          </li>
        ))}
      </ol></div>
    </section>
  );
}

function timeOf(text: string): string {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return text;
  return Date.now() - at.getTime() < DAY_MS ? clockTime(at) : moment(at.getTime() / 1000);
}
