/** The colours of the pictures, as the style sheet has them, resolved for a canvas. */

const HUES = 12;
/** Each hue as it is, darker and paler; more sources than that share colours. */
export const PEER_COLOURS = 3 * HUES;
const SHADES = ["", "var(--ink)", "var(--surface)"] as const;

export interface Paints {
  readonly ground: string;
  readonly frame: string;
  readonly ink: string;
  readonly bad: string;
  readonly before: string;
  readonly peers: readonly string[];
}

/** Of an element's style: of its theme, that is. */
export function paintsOf(element: HTMLElement): Paints {
  const probe = document.createElement("i");
  probe.hidden = true;
  element.append(probe);
  const resolved = (colour: string): string => {
    probe.style.color = colour;
    return getComputedStyle(probe).color;
  };
  const colour = (name: string): string => resolved(`var(--${name})`);
  const paints = {
    ground: colour("surface"),
    frame: colour("comb-frame"),
    ink: colour("ink-2"),
    bad: colour("bad"),
    before: colour("comb-before"),
    peers: Array.from({ length: PEER_COLOURS }, (_, index) => resolved(peerColour(index))),
  };
  probe.remove();
  return paints;
}

/** As a style takes it. */
export function peerColour(index: number): string {
  const hue = `var(--peer-${index % HUES})`;
  const shade = SHADES[Math.floor(index / HUES) % SHADES.length];
  return shade ? `color-mix(in oklab, ${hue} 58%, ${shade})` : hue;
}
