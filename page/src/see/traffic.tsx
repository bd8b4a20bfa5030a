/** What came in and went out over the last minutes, second by second. */
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { JSX } from "preact";
import { clockTime, rate, size } from "../forms";
import { words } from "../words";
import { TRAFFIC_SPAN_S, type TrafficPoint } from "./facts";

const HEIGHT = 140;
const HEAD = 20;
const FOOT = 22;
const PAUSE_S = 2.5;

interface TrafficProps {
  points: readonly TrafficPoint[];
  /** Seconds since 1970: the right edge. */
  now: number;
}

interface Sample {
  readonly at: number;
  readonly down: number;
  readonly up: number;
}

export function Traffic({ points, now }: TrafficProps): JSX.Element {
  const say = words.value.see;
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(600);
  const [at, setAt] = useState<number | null>(null);
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const measure = (): void => setWidth(Math.max(240, element.clientWidth));
    measure();
    const resized = new ResizeObserver(measure);
    resized.observe(element);
    return () => resized.disconnect();
  }, []);
  const recent = withPauses(points.filter((point) => point.at > now - TRAFFIC_SPAN_S), now);
  const top = ceilingOf(Math.max(1024, ...recent.map((sample) => Math.max(sample.down, sample.up))));
  const x = (moment: number): number => width - ((now - moment) / TRAFFIC_SPAN_S) * width;
  const y = (value: number): number => HEAD + (HEIGHT - HEAD - FOOT) * (1 - value / top);
  const last = recent.at(-1);
  const shown = at === null ? last : nearest(recent, now - (1 - at / width) * TRAFFIC_SPAN_S);
  const sum = (of: "down" | "up"): number => recent.reduce((total, sample) => total + sample[of], 0);
  return (
    <div class="traffic">
      <dl class="traffic-facts">
        <Fact kind="down" label={say.downNow} value={rate(shown?.down ?? 0)} more={say.inMinutes(size(sum("down")), TRAFFIC_SPAN_S / 60)} />
        <Fact kind="up" label={say.upNow} value={rate(shown?.up ?? 0)} more={say.inMinutes(size(sum("up")), TRAFFIC_SPAN_S / 60)} />
        <div class="when soft small number">{at !== null && shown ? clockTime(new Date(shown.at * 1000)) : ""}</div>
      </dl>
      <div ref={box} class="traffic-box" onMouseMove={(event) => setAt(event.offsetX)} onMouseLeave={() => setAt(null)}>
        <svg width={width} height={HEIGHT} viewBox={`0 0 ${width} ${HEIGHT}`} role="img"
          aria-label={say.trafficSummary(rate(last?.down ?? 0), rate(last?.up ?? 0))}>
          {[1, 0.5].map((part) => (
            <g key={part} class="rule">
              <path d={`M0 ${y(top * part)}H${width}`} />
              <text x="0" y={y(top * part) - 4}>{rate(top * part)}</text>
            </g>
          ))}
          <path class="rule" d={`M0 ${y(0)}H${width}`} />
          <path class="area down" d={area(recent, "down", x, y)} />
          <path class="line down" d={line(recent, "down", x, y)} />
          <path class="line up" d={line(recent, "up", x, y)} />
          <text class="ticks" x="0" y={HEIGHT - 5}>{say.minutesAgo(TRAFFIC_SPAN_S / 60)}</text>
          <text class="ticks" x={width} y={HEIGHT - 5} text-anchor="end">{say.now}</text>
          {at !== null && shown && <path class="at" d={`M${x(shown.at)} 0V${y(0)}`} />}
        </svg>
      </div>
    </div>
  );
}

function Fact({ kind, label, value, more }: { kind: "down" | "up"; label: string; value: string; more: string }): JSX.Element {
  return (
    <div class={kind}>
      <dt class="small soft">
        <i class={`key ${kind}`} />
        {label}
      </dt>
      <dd>
        <b class="number">{value}</b>
        <span class="small soft number">{more}</span>
      </dd>
    </div>
  );
}

/** A second without a point moved nothing: the line goes down there. */
function withPauses(points: readonly TrafficPoint[], now: number): readonly Sample[] {
  const samples: Sample[] = [];
  for (const point of points) {
    const last = samples.at(-1);
    if (last && point.at - last.at > PAUSE_S) {
      samples.push({ at: last.at + 1, down: 0, up: 0 }, { at: point.at - 1, down: 0, up: 0 });
    }
    samples.push({ at: point.at, down: point.downBytesS, up: point.upBytesS });
  }
  const last = samples.at(-1);
  if (last && now - last.at > PAUSE_S) samples.push({ at: last.at + 1, down: 0, up: 0 }, { at: now, down: 0, up: 0 });
  return samples;
}

type Axis = (value: number) => number;

function line(samples: readonly Sample[], of: "down" | "up", x: Axis, y: Axis): string {
  return samples.map((sample, index) => `${index ? "L" : "M"}${x(sample.at).toFixed(1)} ${y(sample[of]).toFixed(1)}`).join("");
}

function area(samples: readonly Sample[], of: "down" | "up", x: Axis, y: Axis): string {
  const first = samples[0];
  const last = samples.at(-1);
  if (!first || !last) return "";
  return `${line(samples, of, x, y)}L${x(last.at).toFixed(1)} ${y(0)}L${x(first.at).toFixed(1)} ${y(0)}Z`;
}

/** The next number above that reads well in units of 1024. */
function ceilingOf(most: number): number {
  const unit = 1024 ** Math.floor(Math.log(most) / Math.log(1024));
  const step = [1, 2, 3, 4, 6, 8, 10, 20, 30, 40, 60, 80, 100, 200, 300, 400, 600, 800, 1024].find((each) => each * unit >= most) ?? 1024;
  return step * unit;
}

function nearest(samples: readonly Sample[], moment: number): Sample | undefined {
  let found: Sample | undefined;
  for (const sample of samples) {
    if (!found || Math.abs(sample.at - moment) < Math.abs(found.at - moment)) found = sample;
  }
  return found;
}
