/** This peer, whom it takes from and whom it gives to: lines as thick as what moves along them. */
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { JSX } from "preact";
import { compareNames, count, rate } from "../forms";
import { words } from "../words";
import type { Line } from "./lines";

const ROW_PX = 34;
const PAD_PX = 10;
const THICKEST_PX = 9;
/** So many of each side have a line of their own; the slowest others share one. */
const MOST = 13;
/** Of a name: about so wide is a letter. */
const LETTER_PX = 8.5;

interface SwarmProps {
  self: string;
  sources: readonly Line[];
  takers: readonly Line[];
  /** The colour that a source has in the honeycomb. */
  colourOf: (peer: string) => string;
}

export function SwarmPicture({ self, sources, takers, colourOf }: SwarmProps): JSX.Element {
  const say = words.value.see;
  const box = useRef<HTMLElement>(null);
  const [width, setWidth] = useState(720);
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const measure = (): void => setWidth(Math.max(280, element.clientWidth));
    measure();
    const resized = new ResizeObserver(measure);
    resized.observe(element);
    return () => resized.disconnect();
  }, []);
  const left = shortened(sources, say.others);
  const right = shortened(takers, say.others);
  const height = Math.max(left.length + right.length ? 5 : 3, left.length, right.length) * ROW_PX + 2 * PAD_PX;
  const fastest = Math.max(1, ...[...left, ...right].map((flow) => (flow.isMany ? 0 : flow.rate)));
  const middle = [width / 2, height / 2] as const;
  const half = width < 500 ? 20 : 30;
  return (
    <figure ref={box} class="swarm">
      <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="img" aria-label={say.swarmSummary(self, sources.length, takers.length)}>
        <Side flows={left} from={[edgeOf(width), height]} to={middle} half={half} fastest={fastest} colourOf={colourOf} isInward />
        <Side flows={right} from={[width - edgeOf(width), height]} to={middle} half={half} fastest={fastest} colourOf={() => "var(--ink-2)"} />
        <g transform={`translate(${middle[0]} ${middle[1]})`}>
          <path class="self" d="M0-30 26-15V15L0 30-26 15V-15Z" transform={`scale(${half / 30})`} />
          <text class="self-name" y={half + 18} text-anchor="middle">{say.thisPeer}</text>
        </g>
      </svg>
      {!sources.length && !takers.length && <figcaption class="soft">{say.nobodyMoves}</figcaption>}
      <table class="unseen">
        <caption>{say.swarm}</caption>
        <tbody>
          {[...sources.map((flow) => [flow, say.gives] as const), ...takers.map((flow) => [flow, say.takes] as const)].map(([flow, what]) => (
            <tr key={`${what} ${flow.peer}`}>
              <th scope="row">{flow.peer}</th>
              <td>{what}</td>
              <td>{flow.rate ? rate(flow.rate) : flow.note}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </figure>
  );
}

interface SideProps {
  flows: readonly Line[];
  /** The x of the nodes, and the height that they have. */
  from: readonly [x: number, height: number];
  to: readonly [x: number, y: number];
  /** Of the middle one's height. */
  half: number;
  fastest: number;
  colourOf: (peer: string) => string;
  isInward?: boolean;
}

function Side({ flows, from: [x, height], to, half, fastest, colourOf, isInward = false }: SideProps): JSX.Element {
  const towards = isInward ? 1 : -1;
  const most = Math.max(9, Math.floor(edgeOf(2 * to[0]) / LETTER_PX));
  return (
    <g>
      {flows.map((flow, index) => {
        const y = (height * (index + 0.5)) / flows.length;
        const end = to[0] - towards * half;
        const bend = (end - x) * 0.5;
        const there = `M${x} ${y}C${x + bend} ${y} ${end - bend} ${to[1]} ${end} ${to[1]}`;
        const back = `M${end} ${to[1]}C${end - bend} ${to[1]} ${x + bend} ${y} ${x} ${y}`;
        const part = Math.sqrt(Math.min(1, flow.rate / fastest));
        const thick = 1 + THICKEST_PX * part;
        const colour = flow.isMany ? "var(--ink-3)" : colourOf(flow.peer);
        return (
          <g key={flow.peer} class={flow.rate ? "flow" : "flow still"}>
            <path class="way" d={there} style={{ stroke: colour, strokeWidth: `${thick}px` }} />
            {flow.rate > 0 && (
              <path class="moving" d={isInward ? there : back} style={{ strokeWidth: `${Math.max(1, thick * 0.4)}px`, animationDuration: `${(2.4 - 1.8 * part).toFixed(2)}s` }} />
            )}
            <circle cx={x} cy={y} r="5" style={{ fill: flow.rate ? colour : "var(--surface)", stroke: colour }} />
            <text x={x - towards * 12} y={y - 2} text-anchor={isInward ? "end" : "start"}>{clipped(flow.peer, most)}</text>
            <text class="rate" x={x - towards * 12} y={y + 12} text-anchor={isInward ? "end" : "start"}>
              {flow.rate ? rate(flow.rate) : flow.note}
            </text>
          </g>
        );
      })}
    </g>
  );
}

function edgeOf(width: number): number {
  return Math.min(190, Math.max(96, width * 0.24));
}

/** Most names fit; of a longer one its two ends tell more than its beginning. */
function clipped(name: string, most: number): string {
  if (name.length <= most) return name;
  const half = Math.floor((most - 1) / 2);
  return `${name.slice(0, most - 1 - half)}…${name.slice(-half)}`;
}

function shortened(flows: readonly Line[], others: (n: string) => string): readonly Line[] {
  const ordered = [...flows].sort((one, other) => compareNames(one.peer, other.peer));
  if (ordered.length <= MOST) return ordered;
  const fast = new Set([...ordered].sort((one, other) => other.rate - one.rate).slice(0, MOST - 1));
  const rest = ordered.filter((flow) => !fast.has(flow));
  const sum = rest.reduce((total, flow) => total + flow.rate, 0);
  return [...ordered.filter((flow) => fast.has(flow)), { peer: others(count(rest.length)), rate: sum, note: "", isMany: true }];
}
