/** All that is known of one content, beside the list. */
import type { JSX } from "preact";
import type { Hit } from "../api";
import { count, size } from "../forms";
import { peers, status } from "../live";
import { copyText, curlLine } from "../copying";
import { Dialog } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { addressOf } from "../route";
import { words } from "../words";
import { HitState } from "./row";

/** From somebody whom this machine can call; in a network of members plain curl gets nothing. */
function curlOf(hit: Hit): string | null {
  if (status.value?.network) return null;
  const own = status.value?.urls[0];
  const holder = hit.names.find((each) => each.peer === status.value?.name);
  if (holder && own) return curlLine(own, hit.id, hit.name);
  const other = hit.names.map((each) => peers.value.find((peer) => peer.name === each.peer)).find((peer) => peer?.host);
  if (!other) return null;
  const host = other.host.includes(":") ? `[${other.host}]` : other.host;
  return curlLine(`http://${host}:${other.port}`, hit.id, hit.name);
}

export function HitDetails({ hit, onClose }: { hit: Hit; onClose: () => void }): JSX.Element {
  const say = words.value.find;
  const curl = hit.kind === "file" ? curlOf(hit) : null;
  return (
    <Dialog side title={<bdi>{hit.name}</bdi>} onClose={onClose}>
      <div class="row wrap">
        <HitState hit={hit} />
        <button type="button" class="button small" onClick={() => void copyText(hit.link)}>
          <Icon name="link" />
          {words.value.act.copyLink}
        </button>
        {curl && (
          <button type="button" class="button small" onClick={() => void copyText(curl)}>
            <Icon name="terminal" />
            {words.value.act.copyCurl}
          </button>
        )}
      </div>
      <dl class="facts">
        <dt>{say.size}</dt>
        <dd class="number">{hit.kind === "collection" ? words.value.folder : `${size(hit.size)} (${count(hit.size)} B)`}</dd>
        <dt>{say.id}</dt>
        <dd class="mono">{hit.id}</dd>
        {hit.sha256 && (
          <>
            <dt>{say.sha256}</dt>
            <dd class="mono">{hit.sha256}</dd>
          </>
        )}
      </dl>
      <h3>{say.whoHas} <span class="faint number">{words.value.copies(hit.providers)}</span></h3>
      <ul class="holders">
        {hit.names.map((each) => (
          <li key={`${each.peer}/${each.path}`}>
            <a href={addressOf("find", { browse: each.peer, under: each.path.split("/").slice(0, -1).join("/") })}
              title={say.browse(each.peer)} onClick={onClose}><b><bdi>{each.peer}</bdi></b></a>
            <bdi class="soft">{each.path}</bdi>
          </li>
        ))}
        {hit.names_total > hit.names.length && <li class="faint">{say.otherNames(hit.names_total - hit.names.length)}</li>}
      </ul>
    </Dialog>
  );
}
