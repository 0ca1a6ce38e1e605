/** What can be said of a piece without opening it: nothing in it matches, everything does, or certain levels do. */
import { type Level, levels, streams } from "#src/protocol/log.ts";
import { columnOf, valueTest } from "#src/protocol/query-match.ts";
import type { LogSelection, Query } from "#src/protocol/query.ts";
import { probeOf } from "../blocks/filter.ts";
import type { Piece, Probe, Snapshot } from "../blocks/reader-port.ts";
import { type Need, needOf } from "./literals.ts";

/** Whether a piece may hold a match, by its figures and its filter. */
export type PieceTest = (piece: Piece, snapshot: Snapshot) => boolean;

export function pieceTestOf(query: Query): PieceTest {
  const figures = figuresTest(query);
  const filter = filterTest(needOf(query));
  return (piece, snapshot) => figures(piece) && filter(piece, snapshot);
}

function filterTest(need: Need): PieceTest {
  if (need === null) return () => true;
  if (need.kind === "literal") {
    const probe: Probe = probeOf(need.text);
    return (piece, snapshot) => snapshot.mayHold(piece, probe);
  }
  const parts = need.parts.map(filterTest);
  return need.kind === "all"
    ? (piece, snapshot) => parts.every((part) => part(piece, snapshot))
    : (piece, snapshot) => parts.some((part) => part(piece, snapshot));
}

function figuresTest(query: Query): (piece: Piece) => boolean {
  switch (query.kind) {
    case "and":
    case "or": {
      const parts = query.parts.map(figuresTest);
      return query.kind === "and"
        ? (piece) => parts.every((part) => part(piece))
        : (piece) => parts.some((part) => part(piece));
    }
    case "field": {
      const stands = valueTest(query.test);
      switch (columnOf(query.path)) {
        case "level": {
          const good = maskOf(levels, (level) => stands([level]));
          return (piece) => (piece.levels & good) !== 0;
        }
        case "stream": {
          const good = maskOf(streams, (stream) => stands([stream]));
          return (piece) => (piece.streams & good) !== 0;
        }
        case "server":
          return (piece) => stands([piece.serverId]);
        case "source":
          return (piece) => piece.source === null || stands([piece.source]);
        default:
          return () => true;
      }
    }
    default:
      return () => true;
  }
}

/**
 * The levels whose entries in a piece are selected, and no others; null: that depends on more than the level. Whoever has
 * it can count without opening the piece.
 */
export function levelsWithin(selection: LogSelection, piece: Piece): number | null {
  const { query, level, fromMs, toMs, sources, streams: only } = selection;
  if (only !== null || (sources !== null && piece.source === null)) return null;
  if ((fromMs !== null && piece.firstMs < fromMs) || (toMs !== null && piece.lastMs >= toMs)) return null;
  const mask = levelsOf(query, piece);
  return mask === null ? null : mask & levelsFrom(level);
}

/** The levels whose entries match, whatever else they hold; null: that depends on more than the level. */
function levelsOf(query: Query, piece: Piece): number | null {
  switch (query.kind) {
    case "all":
      return allLevels;
    case "text":
    case "regex":
      return null;
    case "not": {
      const part = levelsOf(query.part, piece);
      return part === null ? null : allLevels & ~part;
    }
    case "and":
    case "or": {
      let mask = query.kind === "and" ? allLevels : 0;
      for (const part of query.parts) {
        const one = levelsOf(part, piece);
        if (one === null) return null;
        mask = query.kind === "and" ? mask & one : mask | one;
      }
      return mask;
    }
    case "field": {
      const stands = valueTest(query.test);
      switch (columnOf(query.path)) {
        case "level":
          return maskOf(levels, (level) => stands([level]));
        case "server":
          return stands([piece.serverId]) ? allLevels : 0;
        case "source":
          return piece.source === null ? null : stands([piece.source]) ? allLevels : 0;
        default:
          return null;
      }
    }
  }
}

const allLevels = 2 ** levels.length - 1;

/** This level and all that are worse, as bits. */
function levelsFrom(level: Level | null): number {
  return level === null ? allLevels : maskOf(levels, (one) => levels.indexOf(one) >= levels.indexOf(level));
}

function maskOf<T>(all: readonly T[], test: (one: T) => boolean): number {
  return all.reduce((mask, one, rank) => (test(one) ? mask | (1 << rank) : mask), 0);
}
