/** Where the cells of a honeycomb lie: numbers in, numbers out. */

export interface Comb {
  readonly cells: number;
  /** How many chunks each cell stands for; the last may stand for fewer. */
  readonly group: number;
  readonly columns: number;
  readonly rows: number;
  /** From flat side to flat side. */
  readonly width: number;
  readonly height: number;
}

const LARGEST = 30;
const SMALLEST = 5.5;
const ROW = Math.sqrt(3) / 2;

/** Hexagons on their points, every other row half a cell to the right. */
export function combFor(chunks: number, boxWidth: number, boxHeight: number): Comb {
  const most = capacity(SMALLEST, boxWidth, boxHeight);
  const group = Math.max(1, Math.ceil(chunks / Math.max(1, most)));
  const cells = Math.ceil(chunks / group);
  let low = SMALLEST;
  let high = LARGEST;
  for (let step = 0; step < 12; step += 1) {
    const middle = (low + high) / 2;
    if (capacity(middle, boxWidth, boxHeight) >= cells) low = middle;
    else high = middle;
  }
  const columns = Math.min(columnsIn(low, boxWidth), Math.max(1, cells));
  const rows = Math.ceil(cells / columns);
  return { cells, group, columns, rows, width: low, height: heightOf(rows, low) };
}

export function centre(comb: Comb, cell: number): readonly [x: number, y: number] {
  const row = Math.floor(cell / comb.columns);
  const column = cell % comb.columns;
  const x = (column + 0.5 + (row % 2) / 2) * comb.width;
  return [x, radius(comb.width) + row * comb.width * ROW];
}

/** Which cell is at a point; -1 for none. */
export function cellAt(comb: Comb, x: number, y: number): number {
  const near = Math.round((y - radius(comb.width)) / (comb.width * ROW));
  let best = -1;
  let least = (comb.width * comb.width) / 3;
  for (let row = Math.max(0, near - 1); row <= Math.min(comb.rows - 1, near + 1); row += 1) {
    const column = Math.round(x / comb.width - 0.5 - (row % 2) / 2);
    const cell = row * comb.columns + column;
    if (column < 0 || column >= comb.columns || cell >= comb.cells) continue;
    const [cx, cy] = centre(comb, cell);
    const distance = (cx - x) ** 2 + (cy - y) ** 2;
    if (distance < least) [best, least] = [cell, distance];
  }
  return best;
}

/** The corners of a hexagon around 0, the upper one first. */
export function corners(width: number): readonly (readonly [number, number])[] {
  const r = radius(width);
  return [[0, -r], [width / 2, -r / 2], [width / 2, r / 2], [0, r], [-width / 2, r / 2], [-width / 2, -r / 2]];
}

function radius(width: number): number {
  return width / Math.sqrt(3);
}

function columnsIn(width: number, boxWidth: number): number {
  return Math.max(1, Math.floor(boxWidth / width - 0.5));
}

function heightOf(rows: number, width: number): number {
  return 2 * radius(width) + (rows - 1) * width * ROW;
}

function capacity(width: number, boxWidth: number, boxHeight: number): number {
  const rows = Math.max(1, Math.floor((boxHeight - 2 * radius(width)) / (width * ROW)) + 1);
  return rows * columnsIn(width, boxWidth);
}
