/** Draws a honeycomb on a canvas: all of it, or the cells that have changed.
 *
 * A state is told by its form, whatever the colours: verified is full, missing a frame, what is being
 * fetched has a heavy frame with a core, what failed a cross, what is rare a dot.
 */
import { WAS_HERE } from "./facts";
import type { CellLook } from "./cells";
import { centre, corners, type Comb } from "./layout";
import { PEER_COLOURS, type Paints } from "./paints";

/** In smaller cells a level cannot be read, and many make stripes: they are paler instead. */
const LEVEL_PX = 12;

export class Drawing {
  private readonly whole: Path2D;
  private readonly cell: Path2D;
  private readonly core: Path2D;
  private readonly dot: Path2D;
  private readonly cross: Path2D;
  private readonly line: number;

  constructor(private readonly on: CanvasRenderingContext2D, private readonly comb: Comb, private readonly paints: Paints) {
    const gap = Math.max(0.8, Math.min(2.5, comb.width * 0.1));
    this.line = Math.max(0.9, Math.min(1.5, comb.width * 0.07));
    this.whole = hexagon(comb.width + 0.6);
    this.cell = hexagon(comb.width - gap);
    this.core = hexagon((comb.width - gap) * 0.45);
    this.dot = new Path2D();
    this.dot.arc(0, 0, Math.max(0.9, comb.width * 0.1), 0, 2 * Math.PI);
    this.cross = new Path2D();
    const arm = comb.width * 0.22;
    for (const side of [-1, 1]) {
      this.cross.moveTo(-arm, -arm * side);
      this.cross.lineTo(arm, arm * side);
    }
  }

  all(lookOf: (cell: number) => CellLook): void {
    this.on.clearRect(0, 0, this.on.canvas.width, this.on.canvas.height);
    for (let cell = 0; cell < this.comb.cells; cell += 1) this.draw(cell, lookOf(cell), 0);
  }

  /** `glow` from 1, just arrived, to 0. */
  again(cell: number, look: CellLook, glow: number): void {
    const [x, y] = centre(this.comb, cell);
    this.on.translate(x, y);
    this.on.fillStyle = this.paints.ground;
    this.on.fill(this.whole);
    this.on.translate(-x, -y);
    this.draw(cell, look, glow);
  }

  /** A ring around the cell that is being looked at. */
  mark(cell: number): void {
    const [x, y] = centre(this.comb, cell);
    this.at(x, y, () => {
      this.on.strokeStyle = this.paints.ink;
      this.on.lineWidth = 2;
      this.on.stroke(this.cell);
    });
  }

  private draw(cell: number, look: CellLook, glow: number): void {
    const [x, y] = centre(this.comb, cell);
    this.at(x, y, () => {
      if (look.filled < 1) this.frame(look);
      if (look.filled > 0) this.filling(look);
      if (look.filled < 1) this.signs(look);
      if (glow > 0) {
        this.on.globalAlpha = 0.55 * glow;
        this.on.fillStyle = this.paints.ground;
        this.on.fill(this.cell);
      }
    });
  }

  private frame(look: CellLook): void {
    this.on.strokeStyle = look.isFetching ? this.paints.ink : this.paints.frame;
    this.on.lineWidth = look.isFetching ? this.line * 1.6 : this.line;
    this.on.stroke(this.cell);
  }

  private filling(look: CellLook): void {
    this.on.fillStyle = look.from === WAS_HERE ? this.paints.before : (this.paints.peers[look.from % PEER_COLOURS] ?? this.paints.before);
    if (look.filled >= 1) {
      this.on.fill(this.cell);
      return;
    }
    if (this.comb.width < LEVEL_PX) {
      this.on.globalAlpha = 0.2 + 0.5 * look.filled;
      this.on.fill(this.cell);
      this.on.globalAlpha = 1;
      return;
    }
    this.on.save();
    this.on.clip(this.cell);
    const height = this.comb.width * 1.16;
    this.on.fillRect(-this.comb.width, height / 2 - height * look.filled, 2 * this.comb.width, height);
    this.on.restore();
  }

  private signs(look: CellLook): void {
    if (look.hasFailed) {
      this.on.strokeStyle = this.paints.bad;
      this.on.lineWidth = this.line * 1.6;
      this.on.stroke(this.cross);
    } else if (look.isFetching) {
      this.on.fillStyle = this.paints.ink;
      this.on.fill(this.core);
    } else if (look.isRare) {
      this.on.fillStyle = this.paints.ink;
      this.on.fill(this.dot);
    }
  }

  private at(x: number, y: number, draw: () => void): void {
    this.on.save();
    this.on.translate(x, y);
    draw();
    this.on.restore();
  }
}

function hexagon(width: number): Path2D {
  const path = new Path2D();
  for (const [x, y] of corners(width)) path.lineTo(x, y);
  path.closePath();
  return path;
}
