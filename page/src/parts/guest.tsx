/** A link for somebody without Panal: made once, shown as an address and as a QR code. */
import { useEffect, useState } from "preact/hooks";
import type { JSX } from "preact";
import { api, type GuestLink, type Qr } from "../api";
import { copyText } from "../copying";
import { moment } from "../forms";
import { status } from "../live";
import { words } from "../words";
import { Dialog, tellError } from "./dialog";
import { Icon } from "./icon";

const HOUR_S = 3_600;
const TIMES_S = [HOUR_S, 24 * HOUR_S, 7 * 24 * HOUR_S, 30 * 24 * HOUR_S];

export function GuestDialog({ what, name, onClose }: { what: string; name: string; onClose: () => void }): JSX.Element {
  const say = words.value.guest;
  const [seconds, setSeconds] = useState(24 * HOUR_S);
  const [link, setLink] = useState<GuestLink | null>(null);
  const listens = status.value?.guests !== null;
  const make = async (): Promise<void> => {
    try {
      setLink(await api.makeGuestLink(what, seconds));
    } catch (error) {
      tellError(error);
    }
  };
  const inWords = (each: number): string => (each <= 24 * HOUR_S ? say.hours(each / HOUR_S) : say.days(each / HOUR_S / 24));
  return (
    <Dialog title={<bdi>{say.title(name)}</bdi>} onClose={onClose}>
      <p class="soft">{say.words}</p>
      {!listens && <p class="note warn"><Icon name="info" />{say.nowhere}</p>}
      {link?.url ? <Made link={link} url={link.url} /> : (
        <div class="row wrap spread">
          <label class="stack">
            <span>{say.for}</span>
            <select class="field" value={String(seconds)} onChange={(event) => setSeconds(Number(event.currentTarget.value))}>
              {TIMES_S.map((each) => <option key={each} value={String(each)}>{inWords(each)}</option>)}
            </select>
          </label>
          <button type="button" class="button main" disabled={!listens} onClick={() => void make()}>{say.make}</button>
        </div>
      )}
    </Dialog>
  );
}

function Made({ link, url }: { link: GuestLink; url: string }): JSX.Element {
  const say = words.value.guest;
  const [code, setCode] = useState<Qr | null>(null);
  useEffect(() => {
    api.qr(url).then(setCode, () => undefined);
  }, [url]);
  return (
    <div class="guest-link">
      {code && <QrCode code={code} label={say.qr} />}
      <p class="mono small">{url}</p>
      <div class="row wrap spread">
        <span class="small faint">{say.until(moment(link.expires))}</span>
        <button type="button" class="button main" onClick={() => void copyText(url)}><Icon name="link" />{say.copy}</button>
      </div>
    </div>
  );
}

function QrCode({ code, label }: { code: Qr; label: string }): JSX.Element {
  const { rows, border } = code;
  const side = rows.length + 2 * border;
  const path = rows.flatMap((row, y) => [...row].map((bit, x) => (bit === "1" ? `M${x + border} ${y + border}h1v1h-1z` : ""))).join("");
  return (
    <svg class="qr" viewBox={`0 0 ${side} ${side}`} role="img" aria-label={label} shape-rendering="crispEdges">
      <path d={path} />
    </svg>
  );
}
