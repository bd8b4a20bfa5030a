/** The limits, changed live: each counts as soon as its field is left. */
import { useRef, useState } from "preact/hooks";
import type { JSX } from "preact";
import { api, type Settings } from "../api";
import { tellError } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { status } from "../live";
import { words } from "../words";
import { useAsked } from "./asked";

type RateName = Exclude<keyof Settings, "active_downloads">;
const KIB = 1024;

export function Limits(): JSX.Element {
  const say = words.value.know;
  const [settings, setSettings] = useAsked(api.settings, JSON.stringify(status.value?.settings));
  const [saved, setSaved] = useState<keyof Settings | null>(null);
  const change = async (name: keyof Settings, value: number): Promise<void> => {
    try {
      setSettings(await api.changeSettings({ [name]: value }));
      setSaved(name);
    } catch (error) {
      tellError(error);
    }
  };
  const rates: readonly (readonly [RateName, string])[] = [
    ["download_limit_bytes_s", say.down],
    ["upload_limit_bytes_s", say.up],
    ["download_limit_per_peer_bytes_s", say.downPeer],
    ["upload_limit_per_peer_bytes_s", say.upPeer],
  ];
  return (
    <section class="card limits">
      <h2>{say.settings}</h2>
      <p class="small soft">{say.settingsWords}</p>
      {settings && (
        <div class="fields">
          <label class="limit">
            <span>{say.active}</span>
            <NumberField min={1} max={100} value={settings.active_downloads}
              onSave={(value) => change("active_downloads", Math.round(value || 1))} />
            <Saved isShown={saved === "active_downloads"} />
          </label>
          {rates.map(([name, label]) => (
            <RateField key={name} label={label} bytes={settings[name]} isSaved={saved === name} onSave={(value) => change(name, value)} />
          ))}
        </div>
      )}
      <span class="unseen" role="status">{saved ? say.saved : ""}</span>
    </section>
  );
}

interface RateFieldProps { label: string; bytes: number; isSaved: boolean; onSave: (bytes: number) => Promise<void> }

function RateField({ label, bytes, isSaved, onSave }: RateFieldProps): JSX.Element {
  const unitOf = (value: number): number => (value && value % (KIB * KIB) !== 0 ? KIB : KIB * KIB);
  const [unit, setUnit] = useState(unitOf(bytes));
  const number = bytes ? Math.round((bytes / unit) * 100) / 100 : "";
  const set = (value: number, by: number): Promise<void> => onSave(Math.max(0, Math.round((value || 0) * by)));
  return (
    <div class="limit" role="group" aria-label={label}>
      <span aria-hidden="true">{label}</span>
      <NumberField min={0} step="any" aria-label={label} placeholder={words.value.know.noLimit} value={number}
        onSave={(value) => set(value, unit)} />
      <select class="field" aria-label={`${label}: KiB/s, MiB/s`} value={String(unit)} onChange={(event) => {
        const by = Number(event.currentTarget.value);
        setUnit(by);
        if (bytes) void set(bytes / unit, by);
      }}>
        <option value={String(KIB)}>KiB/s</option>
        <option value={String(KIB * KIB)}>MiB/s</option>
      </select>
      <Saved isShown={isSaved} />
    </div>
  );
}

interface NumberFieldProps {
  value: number | ""; min: number; max?: number; step?: string; placeholder?: string; "aria-label"?: string;
  onSave: (value: number) => Promise<void>;
}

/** What is being typed stays, whatever the peer tells meanwhile, until the field is left or its value saved. */
function NumberField({ value, onSave, ...others }: NumberFieldProps): JSX.Element {
  const [draft, setDraft] = useState<string | null>(null);
  const isSaving = useRef(false);
  const save = async (typed: number, text: string): Promise<void> => {
    isSaving.current = true;
    await onSave(typed);
    isSaving.current = false;
    setDraft((now) => (now === text ? null : now));
  };
  return (
    <input class="field" type="number" {...others} value={draft ?? value}
      onInput={(event) => setDraft(event.currentTarget.value)}
      onChange={(event) => void save(event.currentTarget.valueAsNumber, event.currentTarget.value)}
      onBlur={() => { if (!isSaving.current) setDraft(null); }} />
  );
}

function Saved({ isShown }: { isShown: boolean }): JSX.Element {
  return <span class={`saved ${isShown ? "shown" : ""}`} aria-hidden="true"><Icon name="check" /></span>;
}
