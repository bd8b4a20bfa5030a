/** Uploads that a closed or reloaded page left behind: they go on when the file is chosen again. */
import { computed } from "@preact/signals";
import type { JSX } from "preact";
import { attempt } from "../fetch/act";
import { api } from "../api";
import { size } from "../forms";
import { uploads } from "../live";
import { Cell } from "../parts/comb";
import { Icon, iconOf } from "../parts/icon";
import { words } from "../words";
import { entries } from "./queue";

const left = computed(() => {
  const own = new Set(entries.value.map((each) => each.path));
  return uploads.value.filter((each) => each.resumable && each.state === "waiting" && !own.has(each.path));
});

export function Unfinished(): JSX.Element | null {
  const say = words.value.share;
  if (left.value.length === 0) return null;
  return (
    <section class="group">
      <div class="row spread wrap">
        <h2>{say.unfinished} <span class="faint number">{left.value.length}</span></h2>
        <span class="small faint">{say.unfinishedWords}</span>
      </div>
      <ul aria-label={say.unfinished}>
        {left.value.map((each) => (
          <li key={each.id} class="item entry">
            <Cell tone="still" filled={each.size ? each.offset / each.size : 0}>
              <Icon name={iconOf(each.path, "file")} />
            </Cell>
            <div class="what">
              <div class="name one-line"><bdi>{each.path}</bdi></div>
              <p class="small soft number">{say.total(size(each.offset), size(each.size ?? 0))}</p>
            </div>
            <button type="button" class="button bare only small" aria-label={`${words.value.act.cancel}: ${each.path}`}
              onClick={() => void attempt(() => api.dropUpload(each.id))}>
              <Icon name="bin" />
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
