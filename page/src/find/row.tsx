/** One content that was found. */
import type { JSX } from "preact";
import type { Hit } from "../api";
import { size } from "../forms";
import { status } from "../live";
import { Cell, Pips } from "../parts/comb";
import { Icon, iconOf } from "../parts/icon";
import { words } from "../words";
import { Marked } from "./marked";
import { answered } from "./results";
import { FetchState } from "./state";

export function HitRow({ hit, onDetails }: { hit: Hit; onDetails: () => void }): JSX.Element {
  const say = words.value.find;
  const first = hit.names[0];
  return (
    <div class="item hit">
      <Cell>
        <Icon name={iconOf(hit.name, hit.kind)} />
      </Cell>
      <div class="what">
        <button type="button" class="name one-line" data-stop title={hit.name} onClick={onDetails}>
          <bdi><Marked text={hit.name} words={answered.value?.q ?? ""} /></bdi>
        </button>
        <div class="small faint one-line">
          {first && <bdi>{first.peer}</bdi>}
          {first && first.path !== hit.name && <> · <bdi>{first.path}</bdi></>}
          {hit.names_total > 1 && <> · {say.otherNames(hit.names_total - 1)}</>}
        </div>
      </div>
      <span class="kind number soft">{hit.kind === "collection" ? words.value.folder : size(hit.size)}</span>
      <span class="copies small soft" title={words.value.copies(hit.providers)}>
        <Pips n={hit.providers} />
        <span class="number">{words.value.copies(hit.providers)}</span>
      </span>
      <span class="act"><HitState hit={hit} /></span>
    </div>
  );
}

export function HitState({ hit }: { hit: Hit }): JSX.Element {
  const isOwn = hit.names.some((each) => each.peer === status.value?.name);
  return <FetchState content={hit.id} link={hit.link} name={hit.name} isOwn={isOwn} />;
}
