/** Private keys in PEM (RFC 7468): in one message, or line by line, each an entry of its own. */
import { type Rule, mark } from "./rule.ts";

const begin = "-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----";
const end = "-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----";
const wholeKey = new RegExp(`${begin}[^]*?(?:${end}|$)`, "g");
const unclosedKey = new RegExp(`${begin}(?![^]*${end})`);
const firstLine = new RegExp(begin);
const lastLine = new RegExp(end);
/** A line of base64 behind whatever stands before every line of a source, and within quotes of a program. */
const base64Line = /(?<=^|\s|["'])[A-Za-z0-9+/]{1,76}={0,2}(?=(?:\\n)?["']?[,+;]?\s*$)/;
/** Full lines are known whatever stands before them; the last one is as a rule shorter. */
const fullLine = 60;
const looksCoded = /^(?=.*[a-z])(?=.*[A-Z])(?=.*[\d+/=]).{8,}$/;

export const privateKeys: Rule = {
  name: "private-key",
  needles: ["private key"],
  redact: (text) => text.replace(wholeKey, mark("private-key")),
};

/** Lines that a key may have: RSA with 8192 bits takes 100. */
const mostLines = 128;
/** A key is printed at once; what comes later is something else. */
const withinMs = 60_000;
/** Streams with a key in the middle, of one server; beyond that the oldest are taken for finished. */
const mostOpen = 100;

export type KeyLines = {
  /** Whether a key has begun and not ended, as of `atMs`, milliseconds since the epoch. */
  readonly isOpen: (serverId: string, atMs: number) => boolean;
  /** A line of a stream, after the rules: without its part of a key, should one have begun there. */
  readonly follow: (serverId: string, stream: string, text: string, atMs: number) => string;
  /** Looks whether a key begins in a line and goes on in those after it. */
  readonly look: (serverId: string, stream: string, text: string, atMs: number) => void;
};

type Open = { readonly untilMs: number; left: number };

/** Remembers which streams are in the middle of a key. */
export function createKeyLines(): KeyLines {
  const servers = new Map<string, Map<string, Open>>();

  function close(serverId: string, stream: string): void {
    const streams = servers.get(serverId);
    streams?.delete(stream);
    if (streams?.size === 0) servers.delete(serverId);
  }

  return {
    isOpen(serverId, atMs) {
      for (const [stream, { untilMs }] of servers.get(serverId) ?? []) if (atMs > untilMs) close(serverId, stream);
      return servers.has(serverId);
    },
    follow(serverId, stream, text, atMs) {
      const open = servers.get(serverId)?.get(stream);
      if (open === undefined) return text;
      const late = atMs > open.untilMs;
      if (late || lastLine.test(text) || --open.left === 0) close(serverId, stream);
      if (late) return text;
      return withoutCode(text);
    },
    look(serverId, stream, text, atMs) {
      if (!unclosedKey.test(text)) return;
      const streams = servers.get(serverId) ?? new Map<string, Open>();
      servers.set(serverId, streams);
      streams.delete(stream);
      streams.set(stream, { untilMs: atMs + withinMs, left: mostLines });
      const [oldest] = streams.keys();
      if (streams.size > mostOpen && oldest !== undefined) streams.delete(oldest);
    },
  };
}

/** Lines that follow one another, the first of which may be in the middle of a key. */
export function redactKeyLines(lines: readonly string[]): readonly string[] {
  const last = lines.findIndex((line) => lastLine.test(line));
  const first = lines.findIndex((line) => firstLine.test(line));
  if (last === -1 && first === -1) return lines;
  const inside = (i: number) =>
    (last !== -1 && i < last && (first > last || first < i)) || (first !== -1 && i > first && last < first);
  return lines.map((line, i) => (inside(i) ? withoutCode(line) : line));
}

function withoutCode(text: string): string {
  return text.replace(base64Line, (word, at: number) => (isCode(word, text.slice(0, at)) ? mark("private-key") : word));
}

/** Lines have 64, 70 or 76 characters and the last one an even number, so that few words are taken for one. */
function isCode(word: string, before: string): boolean {
  return word.length >= fullLine || (word.length % 2 === 0 && (looksCoded.test(word) || /^[\s"']*$/.test(before)));
}
