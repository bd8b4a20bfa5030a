/** A list of any length: only the rows that can be seen are in the page. Rows have one height. */
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { ComponentChildren, JSX } from "preact";

interface ListProps {
  count: number;
  /** In the reader's own letter size. */
  rowRem: number;
  label: string;
  row: (index: number) => ComponentChildren;
  /** What the row shows: it goes where that goes, with its focus and its open menu. */
  keyOf: (index: number) => string | number;
  /** Told which rows can be seen, whenever that changes. */
  onSeen?: (first: number, last: number) => void;
}

const pixels = (rem: number): number => Math.round(rem * parseFloat(getComputedStyle(document.documentElement).fontSize));

const BEYOND = 8;
/** Browsers draw no element of more pixels than about this. */
const MOST_PX = 15_000_000;

export function List({ count, rowRem, label, row, keyOf, onSeen }: ListProps): JSX.Element {
  const rowPx = pixels(rowRem);
  const box = useRef<HTMLUListElement>(null);
  const [[first, last], setSeen] = useState<readonly [number, number]>([0, 30]);

  useLayoutEffect(() => {
    const list = box.current;
    const scroller = list?.closest<HTMLElement>(".main");
    if (!list || !scroller) return;
    const look = (): void => {
      const above = scroller.getBoundingClientRect().top - list.getBoundingClientRect().top;
      const from = Math.max(0, Math.floor(above / rowPx) - BEYOND);
      // Not cut at the count: where rows come before it, the last would be taken out and put in anew.
      const to = Math.max(0, Math.ceil((above + scroller.clientHeight) / rowPx) + BEYOND);
      setSeen((before) => (before[0] === from && before[1] === to ? before : [from, to]));
    };
    look();
    scroller.addEventListener("scroll", look, { passive: true });
    const resized = new ResizeObserver(look);
    resized.observe(scroller);
    return () => {
      scroller.removeEventListener("scroll", look);
      resized.disconnect();
    };
  }, [count, rowPx]);

  useLayoutEffect(() => onSeen?.(first, Math.min(last, count)), [first, last, count]);

  const shown: JSX.Element[] = [];
  const keys = new Set<string | number>();
  for (let index = first; index < Math.min(last, count); index += 1) {
    const own = keyOf(index);
    const key = keys.has(own) ? `${own} ${index}` : own; // The same content can come on two pages.
    keys.add(key);
    shown.push(
      <li key={key} class="seen" aria-setsize={count} aria-posinset={index + 1} data-row={index}
        style={{ position: "absolute", insetInline: 0, height: `${rowPx}px`, transform: `translateY(${index * rowPx}px)` }}>
        {row(index)}
      </li>,
    );
  }
  const height = Math.min(MOST_PX, count * rowPx);
  return (
    <ul ref={box} class="rows" aria-label={label} style={{ height: `${height}px` }} data-row-px={rowPx} onKeyDown={(event) => move(event, count, rowPx)}>
      {shown}
    </ul>
  );
}

/** Arrow keys go from row to row by what each has in `data-stop`, its first button. */
function move(event: KeyboardEvent, count: number, rowPx: number): void {
  const list = event.currentTarget as HTMLElement;
  const at = Number((event.target as HTMLElement).closest<HTMLElement>("[data-row]")?.dataset.row ?? -1);
  const scroller = list.closest<HTMLElement>(".main");
  if (at < 0 || !scroller || event.ctrlKey || event.metaKey || event.altKey) return;
  const page = Math.max(1, Math.floor(scroller.clientHeight / rowPx) - 2);
  const wanted = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: count - 1 }[event.key];
  if (wanted === undefined) return;
  event.preventDefault();
  focusRow(list, Math.min(count - 1, Math.max(0, wanted)));
}

export function focusRow(list: HTMLElement, index: number): void {
  const rowPx = Number(list.dataset["rowPx"]);
  const scroller = list.closest<HTMLElement>(".main");
  if (!scroller) return;
  const find = (): HTMLElement | null => list.querySelector(`[data-row="${index}"] [data-stop]`);
  const top = list.getBoundingClientRect().top - scroller.getBoundingClientRect().top + index * rowPx;
  const covered = parseFloat(getComputedStyle(scroller).scrollPaddingTop) || 0;
  if (top < covered) scroller.scrollTop += top - covered;
  else if (top + rowPx > scroller.clientHeight) scroller.scrollTop += top + rowPx - scroller.clientHeight;
  const there = find();
  if (there) there.focus({ preventScroll: true });
  else requestAnimationFrame(() => requestAnimationFrame(() => find()?.focus({ preventScroll: true })));
}
