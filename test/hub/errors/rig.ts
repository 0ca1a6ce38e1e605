/**
 * The errors room over a real store, with a log in memory and an assembly of its own: a line `KEY` is an event by
 * itself; `KEY(` begins one of its source, `KEY)` ends it. KEY is the function that failed.
 */
import { rmSync } from "node:fs";

import { Database } from "bun:sqlite";

import { createErrors } from "#src/hub/errors/errors.ts";
import type { ErrorEvent } from "#src/hub/errors/event.ts";
import type { ArrivalLog, Assembly } from "#src/hub/errors/port.ts";
import { openErrorStore } from "#src/hub/store/errors/errors.ts";
import type { StoredEvent } from "#src/protocol/api.ts";
import type { AgentEvent } from "#src/protocol/event.ts";
import type { Arrived, LogColumns } from "#src/protocol/log-columns.ts";
import { createTestClock } from "#test/kit/clock.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { until } from "#test/kit/wait.ts";
import { frame, part, traceback } from "./events.ts";

export type Line = {
  readonly text: string;
  readonly source?: string;
  readonly server?: string;
  readonly atMs?: number;
};

export type TestLog = ArrivalLog & {
  readonly lines: readonly Line[];
  /** Lines that become durable as one delivery. */
  append(...lines: readonly Line[]): void;
};

function columnsOf(lines: readonly Line[], times: readonly number[]): LogColumns {
  const sources = [...new Set(lines.map(({ source = "api" }) => source))];
  const offsets = new Uint32Array(lines.length + 1);
  lines.forEach(({ text }, i) => (offsets[i + 1] = (offsets[i] ?? 0) + text.length + 1));
  return {
    count: lines.length,
    times: Float64Array.from(times),
    seqs: new Float64Array(lines.length),
    levels: new Uint8Array(lines.length),
    streams: new Uint8Array(lines.length),
    text: Buffer.from(lines.map(({ text }) => `${text}\n`).join("")),
    offsets,
    fields: null,
    sources,
    sourceIndex: Uint16Array.from(lines, ({ source = "api" }) => sources.indexOf(source)),
    odd: new Map(),
  };
}

/** A log that keeps deliveries in memory, of one server each. */
export function createTestLog(now: () => number): TestLog {
  const lines: Line[] = [];
  const times: number[] = [];
  const listeners = new Set<(arrived: Arrived) => void>();
  const arrived = (from: number, to: number): Arrived => ({
    serverId: lines[from - 1]?.server ?? "s1",
    firstPosition: from,
    columns: columnsOf(lines.slice(from - 1, to), times.slice(from - 1, to)),
  });
  return {
    lines,
    append(...more) {
      const from = lines.length + 1;
      lines.push(...more);
      times.push(...more.map(({ atMs }) => atMs ?? now()));
      for (const listener of listeners) listener(arrived(from, lines.length));
    },
    head: () => lines.length,
    onArrival(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async extentSince(fromMs) {
      const after = times.findIndex((ms) => ms >= fromMs);
      const oldestMs = new Map<string, number>();
      lines.forEach(({ server = "s1" }, i) => {
        oldestMs.set(server, Math.min(oldestMs.get(server) ?? Infinity, times[i] ?? 0));
      });
      return { after: after === -1 ? lines.length : after, oldestMs };
    },
    async *arrivalsAfter(position, upTo) {
      for (let from = position + 1; from <= upTo; from++) {
        await Promise.resolve();
        yield arrived(from, from);
      }
    },
  };
}

/** See above. */
export function createTestAssembly(onEvent: (event: ErrorEvent) => void): Assembly {
  const open = new Map<string, { readonly event: ErrorEvent; last: number }>();
  const end = (key: string) => {
    const found = open.get(key);
    open.delete(key);
    if (found !== undefined) onEvent({ ...found.event, lastPosition: found.last });
  };
  return {
    add({ serverId, firstPosition, columns }) {
      for (let i = 0; i < columns.count; i++) {
        const text = columns.text.toString("utf8", columns.offsets[i], (columns.offsets[i + 1] ?? 0) - 1);
        const source = columns.sources[columns.sourceIndex?.[i] ?? 0] ?? "";
        const [, name = "", mark = ""] = /^(\w*)([()]?)/.exec(text) ?? [];
        const position = firstPosition + i;
        const key = `${serverId} ${source}`;
        if (name === "quiet") continue;
        const event = traceback({
          serverId,
          source,
          atMs: columns.times[i] ?? 0,
          firstPosition: position,
          parts: [part("ValueError", "bad", [frame(name)])],
          lines: [`in ${name}`, "ValueError: bad"],
          release: /@(\S+)/.exec(text)?.[1] ?? null,
        });
        const before = open.get(key);
        if (mark === "(") {
          end(key);
          open.set(key, { event, last: position });
        } else if (mark === ")" && before !== undefined) {
          before.last = position;
          end(key);
        } else onEvent(event);
      }
    },
    advance(nowMs) {
      for (const [key, { event }] of open) if (event.atMs + 1000 <= nowMs) end(key);
    },
    openAt: () => Array.from(open.values(), ({ event }) => event.firstPosition),
    endOthers(still, upTo) {
      for (const [key, { event }] of open) {
        if (event.firstPosition <= upTo && !still.has(event.firstPosition)) end(key);
      }
    },
    openFrom: () =>
      [...open.values()].reduce<number | null>(
        (low, { event: { firstPosition } }) => Math.min(low ?? firstPosition, firstPosition),
        null,
      ),
  };
}

/** Agents' events, in memory. */
export function createTestEvents() {
  const all: StoredEvent[] = [];
  const listeners = new Set<() => void>();
  return {
    append(event: AgentEvent, serverId = "s1") {
      all.push({ id: String(all.length + 1), serverId, hostname: serverId, event });
      for (const listener of listeners) listener();
    },
    eventsAfter: async (position: number, limit: number) => all.slice(position, position + limit),
    eventsHead: () => all.length,
    refreshEvents: async () => all.length,
    onEvent: (listener: () => void) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

export const projects = ["p1", "p2"];

export type Rig = Awaited<ReturnType<typeof openRig>>;

/** Servers s1, s2, … are of project p1; those whose id ends with "x" of p2; "gone" of none. */
export async function openRig() {
  const folder = temporaryFolder();
  const clock = createTestClock();
  const log = createTestLog(() => clock.now());
  const events = createTestEvents();
  const said: string[] = [];
  const owners = {
    projectOf: (origin: string) => (origin === "gone" ? null : origin.endsWith("x") ? "p2" : "p1"),
    nameOf: (origin: string) => `host-${origin}`,
  };
  let open = await start();

  async function start() {
    const store = await openErrorStore(folder.path);
    const warn = (message: string) => void said.push(message);
    const openStaging = async () => {
      const staging = await openErrorStore(folder.path, "anew.db");
      const close = () => {
        staging.close();
        rmSync(folder.at("anew.db"));
      };
      return { store: staging, file: folder.at("anew.db"), close };
    };
    const world = {
      store,
      log,
      events,
      makeAssembly: createTestAssembly,
      openStaging,
      owners,
      clock,
      workedMs: () => clock.monotonic(),
      warn,
    };
    const errors = createErrors(world);
    errors.start();
    return { store, errors };
  }

  /** Lets everything that was appended be read, in steps of the clock, and then time pass. */
  async function settle(ms = 2000, stepMs = 1): Promise<void> {
    await until(() => {
      clock.advance(stepMs);
      return open.errors.figures().behind === 0;
    });
    clock.advance(ms);
  }

  return {
    folder,
    clock,
    log,
    events,
    said,
    settle,
    get errors() {
      return open.errors;
    },
    get store() {
      return open.store;
    },
    /** As a kill does it: nothing more is written. */
    async kill() {
      open.store.close();
      open = await start();
    },
    async restart() {
      open.errors.stop();
      open.store.close();
      open = await start();
    },
    /** Closes everything, changes the file, and starts again. */
    async rewrite(change: (database: Database) => void) {
      open.errors.stop();
      open.store.close();
      const database = new Database(folder.at("errors.db"));
      change(database);
      database.close();
      open = await start();
    },
    async regroup(sinceMs = 0) {
      let over = false;
      const done = open.errors.regroup(sinceMs, () => undefined).finally(() => (over = true));
      // reading in the background waits for the clock now and then
      await until(() => {
        clock.advance(1);
        return over;
      });
      return await done;
    },
    /** All groups. */
    groups(more: Partial<Parameters<typeof open.errors.list>[0]> = {}) {
      const query = { state: null, text: null, source: null, server: null, release: null, sinceMs: null, cursor: null };
      const kinds = ["error", "message", "warning"] as const;
      const page = open.errors.list({ projects, kinds, ...query, sort: "first", limit: 1000, ...more });
      return page.groups;
    },
    counts(): Record<string, number> {
      return Object.fromEntries(this.groups().map(({ culprit, count }) => [culprit?.split(" ").at(-1) ?? "", count]));
    },
    fingerprint(name: string): string {
      const found = this.groups().find(({ culprit }) => culprit?.endsWith(` ${name}`));
      if (found === undefined) throw new Error(`there is no group of ${name}`);
      return found.fingerprint;
    },
    async [Symbol.asyncDispose]() {
      open.errors.stop();
      open.store.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}
