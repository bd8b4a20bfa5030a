/** Whether others reach this peer and why not, what it shares, and its disk. */
import type { ComponentChildren, JSX } from "preact";
import { api, type Disk, type Status } from "../api";
import { count, size } from "../forms";
import { downloads, status, version } from "../live";
import { Icon } from "../parts/icon";
import { words } from "../words";
import { useAsked } from "./asked";

export function Standing(): JSX.Element {
  const say = words.value.know;
  const now = status.value;
  const [disk] = useAsked(api.disk, now?.bytes, downloads.value.length);
  if (!now) return <section class="card" aria-busy="true" />;
  return (
    <section class="card">
      <h2><bdi>{now.name}</bdi> {version.value && <span class="small faint">Panal {version.value}</span>}</h2>
      <ul class="states">
        <State isGood={now.registered} good={say.registered} bad={say.registeredNot} why={now.registered ? "" : now.problem} />
        <State isGood={now.reachable} good={say.reachable} bad={say.reachableNot}
          why={now.reachable ? "" : now.reachability || now.problem} note={now.reachable ? "" : say.reachableNotWords} />
      </ul>
      <dl class="facts">
        <Fact name={say.addresses}>{now.urls.map((each) => <div key={each} class="mono">{each}</div>)}</Fact>
        <Fact name={say.trackers}>{now.trackers.map((each) => <div key={each} class="mono">{each}</div>)}</Fact>
        {now.network && <Fact name={say.network}><bdi>{now.network.name}</bdi></Fact>}
        <Fact name={say.folder}><bdi class="mono">{now.folder}</bdi></Fact>
        <Fact name={say.shares}><span class="number">{say.sharesWords(now.files, size(now.bytes))}</span>{now.to_hash > 0 && <div class="small soft">{words.value.share.hashing(now.to_hash)}</div>}</Fact>
        {disk && <Fact name={say.disk}><Room disk={disk} /></Fact>}
        {now.unfinished > 0 && <Fact name={say.unfinished}><span class="number">{say.unfinishedWords(now.unfinished, size(now.unfinished_bytes))}</span></Fact>}
        <Particulars now={now} />
      </dl>
    </section>
  );
}

function State({ isGood, good, bad, why, note }: { isGood: boolean; good: string; bad: string; why: string; note?: string }): JSX.Element {
  return (
    <li class={isGood ? "good" : "bad"}>
      <Icon name={isGood ? "check" : "alert"} />
      <div>
        <b>{isGood ? good : bad}</b>
        {why && <p class="small soft" lang="en">{why}</p>}
        {note && <p class="small soft">{note}</p>}
      </div>
    </li>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }): JSX.Element {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

function Room({ disk }: { disk: Disk }): JSX.Element {
  const used = disk.total - disk.free;
  const say = words.value.know;
  const isLow = disk.usable === 0;
  return (
    <>
      <div class={`bar ${isLow ? "bad" : "still"}`} role="meter" aria-label={say.disk} aria-valuemin={0} aria-valuemax={disk.total} aria-valuenow={used}>
        <i style={{ transform: `scaleX(${disk.total ? used / disk.total : 0})` }} />
      </div>
      <span class={`small number ${isLow ? "bad" : "soft"}`}>{say.free(size(disk.usable))}</span>
    </>
  );
}

/** What is only told where there is something to tell. */
function Particulars({ now }: { now: Status }): JSX.Element {
  const say = words.value.know;
  const skipped = Object.entries(now.skipped).filter(([, n]) => n > 0);
  return (
    <>
      {now.roots.length > 0 && <Fact name={say.roots}>{now.roots.map((each) => <div key={each.name}><bdi>{each.name}</bdi> <bdi class="small faint">{each.place}</bdi></div>)}</Fact>}
      {now.offline.length > 0 && <Fact name={say.offline}>{now.offline.map((each) => <div key={each}><bdi>{each || now.folder}</bdi></div>)}</Fact>}
      {Object.keys(now.withdrawn).length > 0 && (
        <Fact name={say.withdrawn}>
          {Object.entries(now.withdrawn).map(([folder, path]) => <div key={folder}><bdi>{folder}</bdi> <span class="small faint"><bdi>{say.withdrawnWords(path)}</bdi></span></div>)}
        </Fact>
      )}
      {Object.keys(now.damaged ?? {}).length > 0 && (
        <Fact name={say.damaged}>
          {Object.entries(now.damaged ?? {}).map(([path, why]) => <div key={path}><bdi>{path}</bdi> <span class="small faint" lang="en">{why}</span></div>)}
        </Fact>
      )}
      {Object.keys(now.watching).length > 0 && <Fact name={say.watching}>{Object.entries(now.watching).map(([root, why]) => <div key={root}><bdi>{root || now.folder}</bdi> <span class="small faint" lang="en">{why}</span></div>)}</Fact>}
      {skipped.length > 0 && (
        <Fact name={say.skipped}>
          {skipped.map(([why, n]) => (
            <details key={why}>
              <summary><span class="number">{count(n)}</span> <span lang="en">{why}</span></summary>
              <ul class="small soft">{(now.skipped_examples[why] ?? []).map((each) => <li key={each}><bdi>{each}</bdi></li>)}</ul>
            </details>
          ))}
        </Fact>
      )}
    </>
  );
}
