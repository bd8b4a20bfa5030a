/** The links for guests that count, each revocable. */
import type { JSX } from "preact";
import { api } from "../api";
import { attempt } from "../fetch/act";
import { moment } from "../forms";
import { log, status } from "../live";
import { words } from "../words";
import { useAsked } from "./asked";

export function GuestLinkList(): JSX.Element {
  const say = words.value.know;
  const [told, setTold] = useAsked(api.guestLinks, log.value.at(-1));
  const revoke = (id: string): Promise<void> =>
    attempt(async () => {
      await api.revokeGuestLink(id);
      setTold(await api.guestLinks());
    });
  return (
    <section class="card">
      <h2>{say.guests}</h2>
      <p class="small soft">{status.value?.guests ? <span class="mono">{status.value.guests}</span> : words.value.guest.nowhere}</p>
      {told?.links.length === 0 && <p class="faint">{say.guestsNone}</p>}
      <ul class="people">
        {told?.links.map((each) => (
          <li key={each.id}>
            <div class="grow">
              <b><bdi>{each.name}</bdi></b>
              <div class="small faint">{words.value.guest.until(moment(each.expires))}</div>
            </div>
            <button type="button" class="button small danger" aria-label={`${words.value.act.revoke}: ${each.name}`} onClick={() => void revoke(each.id)}>
              {words.value.act.revoke}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
