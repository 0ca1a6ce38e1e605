/** Levels and streams as numbers: their place in the lists of log.ts. */
import { type Level, type Stream, levels, streams } from "../log.ts";

export const levelRank: ReadonlyMap<Level, number> = new Map(levels.map((level, rank) => [level, rank]));
export const streamRank: ReadonlyMap<Stream, number> = new Map(streams.map((stream, rank) => [stream, rank]));
