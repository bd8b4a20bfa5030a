/** What each cell of a honeycomb shows of the chunks that it stands for. */
import { FAILED, FETCHING, WAS_HERE, VERIFIED, type ChunkFacts } from "./facts";
import type { Comb } from "./layout";

export interface CellLook {
  /** The part of its chunks that is verified. */
  readonly filled: number;
  readonly isFetching: boolean;
  readonly hasFailed: boolean;
  /** Something is missing of it that at most one neighbour has. */
  readonly isRare: boolean;
  /** Where most of what is verified came from; `WAS_HERE`, or -1 for nothing yet. */
  readonly from: number;
}

export function firstChunk(comb: Comb, cell: number): number {
  return cell * comb.group;
}

export function lastChunk(comb: Comb, chunks: ChunkFacts, cell: number): number {
  return Math.min(chunks.count, (cell + 1) * comb.group) - 1;
}

/** Whether copies tell anything: from one source alone, or none, every chunk would be rare. */
export function knowsCopies(chunks: ChunkFacts): boolean {
  return chunks.copies.some((n) => n > 1);
}

export function lookOf(comb: Comb, chunks: ChunkFacts, cell: number, withCopies: boolean): CellLook {
  const first = firstChunk(comb, cell);
  const last = lastChunk(comb, chunks, cell);
  const votes = new Map<number, number>();
  let verified = 0;
  let isFetching = false;
  let hasFailed = false;
  let isRare = false;
  for (let chunk = first; chunk <= last; chunk += 1) {
    const state = chunks.states[chunk];
    const from = chunks.from[chunk] ?? WAS_HERE;
    if (state === VERIFIED) {
      verified += 1;
      votes.set(from, (votes.get(from) ?? 0) + 1);
      continue;
    }
    isFetching ||= state === FETCHING;
    hasFailed ||= state === FAILED;
    isRare ||= withCopies && isRareAt(chunks, chunk);
  }
  return { filled: verified / (last - first + 1), isFetching, hasFailed, isRare, from: most(votes) };
}

/** Of a chunk that is missing: whether it hangs on one neighbour, or on none. */
export function isRareAt(chunks: ChunkFacts, chunk: number): boolean {
  return (chunks.copies[chunk] ?? 0) <= 1;
}

function most(votes: ReadonlyMap<number, number>): number {
  let found = -1;
  let count = 0;
  for (const [from, n] of votes) if (n > count) [found, count] = [from, n];
  return found;
}

export interface Totals {
  readonly verified: number;
  readonly fetching: number;
  readonly failed: number;
  readonly rare: number;
  readonly before: number;
  /** How many chunks came from each of the sources. */
  readonly bySource: readonly number[];
}

export function totalsOf(chunks: ChunkFacts): Totals {
  const withCopies = knowsCopies(chunks);
  const bySource = chunks.sources.map(() => 0);
  const totals = { verified: 0, fetching: 0, failed: 0, rare: 0, before: 0 };
  for (let chunk = 0; chunk < chunks.count; chunk += 1) {
    const state = chunks.states[chunk];
    if (state === VERIFIED) {
      const from = chunks.from[chunk] ?? WAS_HERE;
      totals.verified += 1;
      if (from === WAS_HERE) totals.before += 1;
      else if (from < bySource.length) bySource[from] = (bySource[from] ?? 0) + 1;
      continue;
    }
    if (state === FETCHING) totals.fetching += 1;
    if (state === FAILED) totals.failed += 1;
    if (withCopies && isRareAt(chunks, chunk)) totals.rare += 1;
  }
  return { ...totals, bySource };
}
