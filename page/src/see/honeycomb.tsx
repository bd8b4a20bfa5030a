/** A download as a honeycomb: one cell a chunk, or a few chunks where there are more than fit. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { JSX } from "preact";
import { percent } from "../forms";
import { theme, words } from "../words";
import { firstChunk, isRareAt, knowsCopies, lastChunk, lookOf, totalsOf } from "./cells";
import { Drawing } from "./drawing";
import { WAS_HERE, OTHERS, VERIFIED, type ChunkFacts } from "./facts";
import { cellAt, centre, combFor, type Comb } from "./layout";
import { paintsOf } from "./paints";

const GLOW_MS = 500;
/** So many cells may glow at once; where more arrive together, none needs to. */
const MOST_GLOWING = 400;
const stillness = matchMedia("(prefers-reduced-motion: reduce)");
const darkness = matchMedia("(prefers-color-scheme: dark)");

export function Honeycomb({ chunks }: { chunks: ChunkFacts }): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const painter = useRef<Painter | null>(null);
  const [comb, setComb] = useState<Comb | null>(null);
  const [looked, setLooked] = useState(-1);

  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const measure = (): void => {
      const most = Math.max(160, Math.min(innerHeight * 0.52, element.clientWidth * 0.62));
      setComb(combFor(chunks.count, element.clientWidth, most));
    };
    measure();
    const resized = new ResizeObserver(measure);
    resized.observe(element);
    return () => resized.disconnect();
  }, [chunks.count]);

  useLayoutEffect(() => {
    if (!canvas.current || !comb) return;
    painter.current = new Painter(canvas.current, comb);
    painter.current.show(chunks);
    const repaint = (): void => {
      if (canvas.current) painter.current = new Painter(canvas.current, comb);
      painter.current?.show(chunks);
    };
    darkness.addEventListener("change", repaint);
    return () => {
      darkness.removeEventListener("change", repaint);
      painter.current?.stop();
    };
  }, [comb, theme.value, chunks.download]);

  useEffect(() => painter.current?.show(chunks), [chunks]);
  useEffect(() => painter.current?.look(looked), [looked, comb]);

  const onKey = (event: KeyboardEvent): void => {
    if (!comb) return;
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: comb.columns, ArrowUp: -comb.columns }[event.key];
    const to = event.key === "Home" ? 0 : event.key === "End" ? comb.cells - 1 : steps === undefined ? null : looked < 0 ? 0 : looked + steps;
    if (event.key === "Escape") setLooked(-1);
    if (to === null) return;
    event.preventDefault();
    setLooked(Math.min(comb.cells - 1, Math.max(0, to)));
  };
  const onPoint = (event: MouseEvent): void => {
    if (comb) setLooked(cellAt(comb, event.offsetX, event.offsetY));
  };
  const shown = comb && looked >= 0 && looked < comb.cells ? looked : -1;
  return (
    <div ref={box} class="comb-box">
      <canvas ref={canvas} tabIndex={0} role="img" aria-label={summary(chunks)} onKeyDown={onKey} onMouseMove={onPoint}
        onMouseLeave={() => setLooked(-1)} onBlur={() => setLooked(-1)} />
      <p class="unseen" aria-live="polite">{comb && shown >= 0 ? describe(comb, chunks, shown).join(" ") : ""}</p>
      {comb && shown >= 0 && <Tip comb={comb} chunks={chunks} cell={shown} />}
    </div>
  );
}

function Tip({ comb, chunks, cell }: { comb: Comb; chunks: ChunkFacts; cell: number }): JSX.Element {
  const [x, y] = centre(comb, cell);
  const [which, ...more] = describe(comb, chunks, cell);
  const side = x > (comb.columns * comb.width) / 2 ? "left" : "right";
  const style = side === "right" ? { left: `${x + comb.width}px` } : { right: `calc(100% - ${x - comb.width}px)` };
  return (
    <div class="tip" aria-hidden="true" style={{ ...style, top: `${y}px` }}>
      <b>{which}</b>
      {more.map((line) => <span key={line}>{line}</span>)}
    </div>
  );
}

function summary(chunks: ChunkFacts): string {
  const totals = totalsOf(chunks);
  return words.value.see.combSummary(totals.verified, chunks.count, percent(totals.verified, chunks.count));
}

/** What there is to say about a cell, the first part which chunks it is. */
function describe(comb: Comb, chunks: ChunkFacts, cell: number): string[] {
  const say = words.value.see;
  const withCopies = knowsCopies(chunks);
  const look = lookOf(comb, chunks, cell, withCopies);
  const first = firstChunk(comb, cell);
  const last = lastChunk(comb, chunks, cell);
  const lines = [say.whichChunks(first + 1, last + 1, chunks.count)];
  const from = sourceOf(chunks, look.from);
  if (look.filled >= 1) lines.push(`${say.verified}${from && ` · ${from}`}`);
  else if (look.filled > 0) lines.push(`${say.partly(percent(look.filled, 1))}${from && ` · ${from}`}`);
  else if (!look.isFetching && !look.hasFailed) lines.push(say.missing);
  if (look.filled >= 1) return lines;
  if (look.isFetching) lines.push(say.fetching);
  if (look.hasFailed) lines.push(say.failed);
  if (withCopies) lines.push(say.hadBy(Math.min(...chunks.copies.subarray(first, last + 1))));
  return lines;
}

function sourceOf(chunks: ChunkFacts, from: number): string {
  const say = words.value.see;
  if (from === WAS_HERE) return say.fromBefore;
  if (from === OTHERS) return say.fromOthers;
  const source = chunks.sources[from];
  return source === undefined ? "" : say.fromPeer(source);
}

/** What was drawn last, a byte a chunk: the facts themselves are changed in place. */
interface Drawn {
  readonly download: string;
  readonly states: Uint8Array;
  readonly from: Uint8Array;
  readonly rare: Uint8Array;
}

/** Keeps a canvas as the chunks are, and draws only what has changed. */
class Painter {
  private readonly drawing: Drawing;
  private chunks: ChunkFacts | null = null;
  private drawn: Drawn | null = null;
  private withCopies = false;
  private readonly stale = new Set<number>();
  private readonly glowing = new Map<number, number>();
  private looked = -1;
  private frame = 0;

  constructor(canvas: HTMLCanvasElement, private readonly comb: Comb) {
    const scale = Math.min(3, devicePixelRatio || 1);
    const width = (comb.columns + 0.5) * comb.width;
    canvas.width = Math.ceil(width * scale);
    canvas.height = Math.ceil(comb.height * scale);
    canvas.style.width = `${Math.ceil(width)}px`;
    canvas.style.height = `${Math.ceil(comb.height)}px`;
    const on = canvas.getContext("2d");
    if (!on) throw new Error("This browser draws no pictures.");
    on.scale(scale, scale);
    this.drawing = new Drawing(on, comb, paintsOf(canvas.parentElement ?? canvas));
  }

  show(chunks: ChunkFacts): void {
    const before = this.drawn;
    this.chunks = chunks;
    this.withCopies = knowsCopies(chunks);
    if (!before || before.download !== chunks.download || before.states.length !== chunks.count) {
      this.stale.clear();
      this.glowing.clear();
      const rare = Uint8Array.from({ length: chunks.count }, (_, chunk) => Number(this.isRare(chunk)));
      this.drawn = { download: chunks.download, states: chunks.states.slice(), from: chunks.from.slice(), rare };
      this.drawing.all((cell) => lookOf(this.comb, chunks, cell, this.withCopies));
      return;
    }
    const arrived = new Set<number>();
    for (const [first, last] of chunks.changed ?? [[0, chunks.count - 1]]) {
      for (let chunk = first; chunk <= last; chunk += 1) this.note(before, chunks, chunk, arrived);
    }
    if (!stillness.matches && arrived.size + this.glowing.size <= MOST_GLOWING) {
      const now = performance.now();
      for (const cell of arrived) this.glowing.set(cell, now);
    }
    this.ask();
  }

  look(cell: number): void {
    if (this.looked >= 0) this.stale.add(this.looked);
    this.looked = cell;
    this.ask();
  }

  stop(): void {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
  }

  private note(drawn: Drawn, chunks: ChunkFacts, chunk: number, arrived: Set<number>): void {
    const state = chunks.states[chunk] ?? 0;
    const from = chunks.from[chunk] ?? 0;
    const rare = Number(this.isRare(chunk));
    if (state === drawn.states[chunk] && from === drawn.from[chunk] && rare === drawn.rare[chunk]) return;
    const cell = Math.floor(chunk / this.comb.group);
    if (state === VERIFIED && drawn.states[chunk] !== VERIFIED) arrived.add(cell);
    this.stale.add(cell);
    drawn.states[chunk] = state;
    drawn.from[chunk] = from;
    drawn.rare[chunk] = rare;
  }

  private isRare(chunk: number): boolean {
    return this.withCopies && this.chunks !== null && isRareAt(this.chunks, chunk);
  }

  private ask(): void {
    if (!this.frame) this.frame = requestAnimationFrame((now) => this.draw(now));
  }

  private draw(now: number): void {
    this.frame = 0;
    const chunks = this.chunks;
    if (!chunks) return;
    for (const cell of this.glowing.keys()) this.stale.add(cell);
    for (const cell of this.stale) {
      if (cell >= this.comb.cells) continue;
      const since = this.glowing.get(cell);
      const glow = since === undefined ? 0 : Math.max(0, 1 - (now - since) / GLOW_MS);
      if (glow === 0) this.glowing.delete(cell);
      this.drawing.again(cell, lookOf(this.comb, chunks, cell, this.withCopies), glow);
    }
    this.stale.clear();
    if (this.looked >= 0 && this.looked < this.comb.cells) this.drawing.mark(this.looked);
    if (this.glowing.size) this.ask();
  }
}
