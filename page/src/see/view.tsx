/** See: the swarm at work. */
import type { JSX } from "preact";
import { words } from "../words";

export function SeeView(): JSX.Element {
  return (
    <section class="view see">
      <header>
        <h1>{words.value.nav.see}</h1>
      </header>
    </section>
  );
}
