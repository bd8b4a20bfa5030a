/**
 * What the pictures of a swarm are drawn from. The views in this folder only draw: they take these
 * facts, keep no clock of the network's and ask for nothing.
 */
import { signal, type ReadonlySignal } from "@preact/signals";

/** What a chunk is, one byte each in `states`. */
export const MISSING = 0;
export const FETCHING = 1;
export const VERIFIED = 2;
/** It failed once and is missing again. */
export const FAILED = 3;
/** In `from`: one of the sources beyond those that have a number. */
export const OTHERS = 254;
/** In `from`: it was here before this download began, or nobody sends it yet. */
export const WAS_HERE = 255;

/** The chunks of the download that is watched. */
export interface ChunkFacts {
  readonly download: string;
  /** For people; hostile, so text only. */
  readonly name: string;
  readonly chunkBytes: number;
  readonly sizeBytes: number;
  readonly count: number;
  /** Names of peers; an index into it, `from`, never changes its meaning. */
  readonly sources: readonly string[];
  /**
   * One byte a chunk each. They are changed in place: a new `ChunkFacts` comes with every change,
   * the arrays in it are the same ones as long as the download is.
   */
  readonly states: Uint8Array;
  readonly from: Uint8Array;
  /** How many connected neighbours have it; 255: that many or more. */
  readonly copies: Uint8Array;
  /** The runs that changed since the facts before, both ends included; null: all may have. */
  readonly changed: readonly (readonly [first: number, last: number])[] | null;
}

export interface Flow {
  readonly peer: string;
  readonly rateBytesS: number;
  /** What goes there, where it is known; hostile, so text only. */
  readonly what: string;
}

/** This peer and who it exchanges with, at one moment; a flow that ended is left out. */
export interface SwarmFacts {
  readonly self: string;
  readonly sources: readonly Flow[];
  readonly takers: readonly Flow[];
}

export interface TrafficPoint {
  /** Seconds since 1970. */
  readonly at: number;
  readonly downBytesS: number;
  readonly upBytesS: number;
}

/** The last minutes, the oldest first; a second without a point moved nothing. */
export interface TrafficFacts {
  readonly points: readonly TrafficPoint[];
  readonly spanS: number;
  /** Since the peer started. */
  readonly downBytes: number;
  readonly upBytes: number;
}

export const TRAFFIC_SPAN_S = 300;

const chunkFacts = signal<ChunkFacts | null>(null);
const swarmFacts = signal<SwarmFacts>({ self: "", sources: [], takers: [] });
const trafficFacts = signal<TrafficFacts>({ points: [], spanS: TRAFFIC_SPAN_S, downBytes: 0, upBytes: 0 });

/** Null while nothing is watched or its chunks are not known yet. */
export const chunks: ReadonlySignal<ChunkFacts | null> = chunkFacts;
export const swarm: ReadonlySignal<SwarmFacts> = swarmFacts;
export const traffic: ReadonlySignal<TrafficFacts> = trafficFacts;

/** For the event stream alone (src/live.ts). */
export const told = { chunks: chunkFacts, swarm: swarmFacts, traffic: trafficFacts };
