/** Hexagons: the mark, a cell that fills as something arrives, and the picture of an empty view. */
import { useId } from "preact/hooks";
import type { ComponentChildren, JSX } from "preact";

const CELL = "M16 1.5 28.6 8.8v14.4L16 30.5 3.4 23.2V8.8Z";
const TOP = 1.5;
const HEIGHT = 29;

export function Mark(): JSX.Element {
  return (
    <svg viewBox="0 0 32 32" aria-hidden="true">
      <path fill="var(--amber)" d="M16.00 1.20 22.93 5.20 22.93 13.20 16.00 17.20 9.07 13.20 9.07 5.20Z" />
      <path fill="var(--amber)" d="M8.42 14.33 15.35 18.33 15.35 26.33 8.42 30.33 1.49 26.33 1.49 18.33Z" />
      <path fill="none" stroke="var(--amber-line)" stroke-width="1.6" d="M23.58 15.13 29.81 18.73 29.81 25.93 23.58 29.53 17.34 25.93 17.34 18.73Z" />
    </svg>
  );
}

interface CellProps {
  /** From 0 to 1; without it the cell is only a frame. */
  filled?: number;
  tone?: "amber" | "good" | "bad" | "still";
  children?: ComponentChildren;
}

export function Cell({ filled = 0, tone = "amber", children }: CellProps): JSX.Element {
  const id = useId();
  const height = HEIGHT * Math.min(1, Math.max(0, filled));
  return (
    <span class={`cell ${tone}`} aria-hidden="true">
      <svg viewBox="0 0 32 32">
        <clipPath id={id}>
          <rect x="0" y={TOP + HEIGHT - height} width="32" height={height} />
        </clipPath>
        <path class="frame" d={CELL} />
        {height > 0 && <path class="filling" d={CELL} clip-path={`url(#${id})`} />}
      </svg>
      {children}
    </span>
  );
}

/** How many have it, as cells, up to five, and the number. */
export function Pips({ n }: { n: number }): JSX.Element {
  return (
    <span class="pips" aria-hidden="true">
      {Array.from({ length: 5 }, (_, index) => (
        <i key={index} class={index < n ? "full" : ""} />
      ))}
    </span>
  );
}

/** Around one in the middle, which is the fourth. */
const SEVEN = [[14.25, 0], [42.75, 0], [0, 24.7], [28.5, 24.7], [57, 24.7], [14.25, 49.4], [42.75, 49.4]] as const;

export function EmptyComb({ lit }: { lit: readonly number[] }): JSX.Element {
  return (
    <svg class="empty-comb" viewBox="0 0 89 82" aria-hidden="true">
      {SEVEN.map(([x, y], index) => (
        <path key={index} class={lit.includes(index) ? "lit" : ""} transform={`translate(${x} ${y})`} d={CELL} />
      ))}
    </svg>
  );
}
