/** Who is here, as the tracker tells. */
import type { JSX } from "preact";
import { ago, count } from "../forms";
import { peers, status } from "../live";
import { addressOf } from "../route";
import { words } from "../words";

export function Members(): JSX.Element {
  const say = words.value.know;
  const own = status.value?.name;
  return (
    <section class="card">
      <h2>{say.members} <span class="faint number">{count(peers.value.length)}</span></h2>
      <ul class="people">
        {peers.value.map((each) => (
          <li key={each.name}>
            <span class={`state-cell ${each.reachable ? "good" : "part"}`} />
            <div class="grow">
              <a href={addressOf("find", { browse: each.name })}><b><bdi>{each.name}</bdi></b></a>
              {each.name === own && <span class="pill amber">{say.me}</span>}
              <div class="small faint one-line">
                {each.reachable ? `${each.host}:${each.port}` : say.unreachable}
                {each.joined_s_ago !== undefined && ` · ${say.joined(ago(each.joined_s_ago))}`}
              </div>
            </div>
            <span class="small soft number">{words.value.files(each.files)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
