/** What somebody sees whose browser is not the owner's. */
import type { JSX } from "preact";
import { Mark } from "./parts/comb";
import { words } from "./words";

export function Gate(): JSX.Element {
  const say = words.value.gate;
  return (
    <main class="gate">
      <Mark />
      <h1>{say.title}</h1>
      <p class="soft">{say.words}</p>
      <code>panal page</code>
      <a class="button" href="/files/">{say.see}</a>
    </main>
  );
}
