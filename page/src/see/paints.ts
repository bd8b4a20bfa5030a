/** The colours of the pictures, as the style sheet has them, resolved for a canvas. */

export const PEER_COLOURS = 12;

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
  const colour = (name: string): string => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const paints = {
    ground: colour("surface"),
    frame: colour("comb-frame"),
    ink: colour("ink-2"),
    bad: colour("bad"),
    before: colour("comb-before"),
    peers: Array.from({ length: PEER_COLOURS }, (_, index) => colour(`peer-${index}`)),
  };
  probe.remove();
  return paints;
}

export function peerVariable(index: number): string {
  return `var(--peer-${index % PEER_COLOURS})`;
}
