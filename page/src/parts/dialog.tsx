/** What opens above the page: dialogs and menus, both the browser's own, and short notices. */
import { signal } from "@preact/signals";
import { useEffect, useId, useRef } from "preact/hooks";
import type { ComponentChildren, JSX } from "preact";
import { words } from "../words";
import { Icon, type IconName } from "./icon";

interface DialogProps {
  title: ComponentChildren;
  onClose: () => void;
  /** At the edge of the window, for what is read beside the list. */
  side?: boolean;
  /** It asks for an answer: a click beside it is none. */
  asks?: boolean;
  feet?: ComponentChildren;
  children: ComponentChildren;
}

export function Dialog({ title, onClose, side, asks, feet, children }: DialogProps): JSX.Element {
  const box = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const before = document.activeElement;
    box.current?.showModal();
    box.current?.querySelector("h2")?.focus();
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  const onBackdrop = (event: MouseEvent): void => {
    if (event.target === box.current && !asks) onClose();
  };
  return (
    <dialog ref={box} class={side ? "side" : ""} aria-labelledby={id} onClose={onClose} onMouseDown={onBackdrop}>
      <div class="inner">
        <div class="head">
          <h2 id={id} tabIndex={-1}>{title}</h2>
          <button type="button" class="button bare only" aria-label={words.value.close} onClick={onClose}>
            <Icon name="close" />
          </button>
        </div>
        {children}
        {feet && <div class="feet">{feet}</div>}
      </div>
    </dialog>
  );
}

export interface MenuEntry {
  icon: IconName;
  words: string;
  act: () => void;
  isDangerous?: boolean;
}

interface MenuProps {
  label: string;
  entries: readonly (MenuEntry | false)[];
}

export function Menu({ label, entries }: MenuProps): JSX.Element {
  const button = useRef<HTMLButtonElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const id = useId();
  const place = (event: Event): void => {
    const isOpen = (event as ToggleEvent).newState === "open";
    button.current?.setAttribute("aria-expanded", String(isOpen));
    if (!isOpen || !button.current || !list.current) return;
    const at = button.current.getBoundingClientRect();
    const own = list.current.getBoundingClientRect();
    const below = at.bottom + 4 + own.height <= innerHeight - 8;
    list.current.style.top = `${below ? at.bottom + 4 : Math.max(8, at.top - 4 - own.height)}px`;
    list.current.style.left = `${Math.max(8, Math.min(at.right - own.width, innerWidth - own.width - 8))}px`;
    list.current.querySelector("button")?.focus();
  };
  const move = (event: KeyboardEvent): void => {
    const all = [...(list.current?.querySelectorAll("button") ?? [])];
    const now = all.indexOf(document.activeElement as HTMLButtonElement);
    const to = { ArrowDown: now + 1, ArrowUp: now - 1 + all.length, Home: 0, End: all.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    all[to % all.length]?.focus();
  };
  const choose = (act: () => void): void => {
    list.current?.hidePopover();
    act();
  };
  return (
    <>
      <button ref={button} type="button" class="button bare only small" aria-label={label} aria-haspopup="menu"
        aria-expanded="false" popovertarget={id}>
        <Icon name="more" />
      </button>
      <div ref={list} id={id} class="menu" popover="auto" role="menu" aria-label={label} onToggle={place} onKeyDown={move}>
        {entries.map((entry) => entry && (
          <button key={entry.words} type="button" role="menuitem" class={entry.isDangerous ? "danger" : ""} onClick={() => choose(entry.act)}>
            <Icon name={entry.icon} />
            {entry.words}
          </button>
        ))}
      </div>
    </>
  );
}

interface Notice { id: number; text: string; isBad: boolean }

const notices = signal<readonly Notice[]>([]);
const SHOWN_MS = 4_000;
let next = 0;

/** Say something in a corner; what went wrong stays until it is read. */
export function tell(text: string, isBad = false): void {
  const id = (next += 1);
  notices.value = [...notices.value.slice(-3), { id, text, isBad }];
  if (!isBad) setTimeout(() => drop(id), SHOWN_MS);
}

export function tellError(error: unknown): void {
  tell(error instanceof Error && error.message ? error.message : words.value.failed, true);
}

function drop(id: number): void {
  notices.value = notices.value.filter((each) => each.id !== id);
}

export function Notices(): JSX.Element {
  return (
    <div class="notices" role="status" aria-live="polite">
      {notices.value.map((each) => (
        <div key={each.id} class={each.isBad ? "bad" : ""}>
          <bdi class="grow">{each.text}</bdi>
          <button type="button" class="button bare only small" aria-label={words.value.close} onClick={() => drop(each.id)}>
            <Icon name="close" />
          </button>
        </div>
      ))}
    </div>
  );
}
