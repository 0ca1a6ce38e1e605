/**
 * Following the hub's live tail (server-sent events, html.spec.whatwg.org/#server-sent-events): it goes on where it was
 * after every break, until it is given up.
 */
import { type LogFilter, type StoredEntry, skippedLines, storedEntry } from "#src/protocol/api.ts";
import { check, z } from "#src/protocol/schema.ts";

import { CliFault, exitCodes } from "../exit.ts";
import type { HubClient } from "./client.ts";

/** What is asked of the hub; what is undefined is left out. */
export type Filter = Readonly<Record<keyof LogFilter, string | undefined>>;

export type TailReader = {
  /** Once, when the tail has begun: everything after `position` comes. */
  ready(position: number): Promise<void>;
  /** In order of arrival, each once. */
  entries(entries: readonly StoredEntry[]): Promise<void>;
  skipped(lines: number): Promise<void>;
  /** Once for each time that the hub can't be reached. */
  away(why: string): Promise<void>;
};

/** Milliseconds without a byte after which the connection is dead: the hub sends a comment every 15 s. */
const silentMs = 45_000;
/** Milliseconds before it is tried again, doubled with each failure. */
const [firstRetryMs, longestRetryMs] = [500, 15_000];

const readyEvent = z.object({ position: z.string() });
const problemEvent = z.object({ problem: z.string() });

/** Returns when `signal` is aborted. @throws {CliFault} the hub refuses, or was never there */
export async function followTail(
  hub: HubClient,
  filter: Filter,
  signal: AbortSignal,
  reader: TailReader,
): Promise<void> {
  let place: string | undefined;
  let failures = 0;
  let told = false;
  const take = async (events: readonly SentEvent[]): Promise<void> => {
    let batch: StoredEntry[] = [];
    const flush = async () => {
      if (batch.length > 0) await reader.entries(batch);
      batch = [];
    };
    for (const { name, data, id } of events) {
      if (name === "log") batch.push(check(storedEntry, JSON.parse(data), "an entry of the tail"));
      else if (name === "skipped") {
        await flush();
        await reader.skipped(check(skippedLines, JSON.parse(data), "an event of the tail").lines);
      } else if (name === "problem") {
        await flush();
        const { problem } = check(problemEvent, JSON.parse(data), "an event of the tail");
        throw new CliFault(exitCodes.failed, "failed", `the hub ended the tail: ${problem}`);
      } else if (name === "ready" && place === undefined) {
        await reader.ready(Number(check(readyEvent, JSON.parse(data), "an event of the tail").position));
      }
      place = id ?? place;
    }
    await flush();
    failures = 0;
    told = false;
  };

  while (!signal.aborted) {
    try {
      const headers = place === undefined ? {} : { "last-event-id": place };
      await readOnce(hub, { filter, headers, signal }, take);
    } catch (error) {
      if (signal.aborted) return;
      const gone = error instanceof CliFault && error.exitCode === exitCodes.noHub;
      if (!gone || place === undefined) throw error;
      if (!told) await reader.away(error.message);
      told = true;
    }
    await pause(Math.min(longestRetryMs, firstRetryMs * 2 ** failures++), signal);
  }
}

type SentEvent = { readonly name: string; readonly data: string; readonly id: string | undefined };

/** Reads one connection to its end, or until it has been silent for too long. */
async function readOnce(
  hub: HubClient,
  ask: { readonly filter: Filter; readonly headers: Record<string, string>; readonly signal: AbortSignal },
  take: (events: readonly SentEvent[]) => Promise<void>,
): Promise<void> {
  const silent = new AbortController();
  const signal = AbortSignal.any([ask.signal, silent.signal]);
  const headers = { accept: "text/event-stream", ...ask.headers };
  const body = await hub.open({ path: "/api/logs/tail", query: ask.filter, headers, signal });
  const stream = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const timer = setTimeout(() => silent.abort(), silentMs);
      const { done, value } = await stream.read().finally(() => clearTimeout(timer));
      if (done) return;
      const blocks = (rest + decoder.decode(value, { stream: true })).split("\n\n");
      rest = blocks.pop() ?? "";
      await take(blocks.flatMap(parseEvent));
    }
  } catch (error) {
    // the connection broke, or was silent: both are as if it had ended
    if (error instanceof CliFault) throw error;
    if (!(error instanceof TypeError) && !silent.signal.aborted && !isConnectionError(error)) throw error;
  } finally {
    // what the hub does not hear any more needs no answer
    await stream.cancel().catch(() => undefined);
  }
}

const isConnectionError = (error: unknown): boolean =>
  error instanceof DOMException || (error instanceof Error && "code" in error);

function parseEvent(block: string): SentEvent[] {
  const lines = block.split("\n").filter((line) => line !== "" && !line.startsWith(":"));
  const field = (name: string) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
  const [name, data, id] = [field("event"), field("data"), field("id")];
  if (name !== undefined && data !== undefined) return [{ name, data, id }];
  // nothing was for us up to this place: from here it goes on after a break
  return id === undefined ? [] : [{ name: "place", data: "", id }];
}

/** Ends early, without an error, when `signal` is aborted. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  signal.addEventListener("abort", () => resolve());
  await promise;
  clearTimeout(timer);
}
