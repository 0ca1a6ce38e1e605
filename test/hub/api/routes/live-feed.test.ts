import { expect, test } from "bun:test";

import type { Events, Servers } from "#src/hub/api/ports.ts";
import { createLiveFeed } from "#src/hub/api/routes/live-feed.ts";
import type { StoredEvent } from "#src/protocol/api.ts";

const event = (id: number, serverId: string): StoredEvent => ({
  id: String(id),
  serverId,
  hostname: serverId,
  event: { type: "agent.stopped", at: "2026-01-01T00:00:00.000Z", reason: "" },
});

/** A feed of one reader who sees the server "a", over events that a test adds to. */
function feedOf(from = 0) {
  const all: StoredEvent[] = [];
  const listeners = new Set<() => void>();
  const state = { failures: 0 };
  const events = {
    eventsHead: () => all.length,
    async eventsAfter(position: number, limit: number) {
      if (state.failures-- > 0) throw new Error("away");
      return all.slice(position, position + limit);
    },
    onEvent(listener: () => void) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  } as unknown as Events;
  const servers = { onChange: () => () => undefined } as unknown as Servers;
  const sight = { servers: () => [], visible: () => new Set(["a"]) };
  const feed = createLiveFeed(events, servers, sight, from);
  return {
    feed,
    state,
    add: (...serverIds: string[]) => {
      for (const serverId of serverIds) all.push(event(all.length + 1, serverId));
      for (const listener of listeners) listener();
    },
    /** The ids of the next events, as many as asked for. */
    take: async (count: number) => {
      const ids: string[] = [];
      while (ids.length < count) {
        const text = feed.next();
        if (text === undefined) await feed.wait();
        else ids.push(...[...String(text).matchAll(/^id: (\d+)\nevent: event$/gm)].map(([, id]) => id ?? ""));
      }
      return ids;
    },
  };
}

test("a reader is given all events of what it may see, in order, however many come at once", async () => {
  const { feed, add, take } = feedOf();
  add(...Array.from({ length: 450 }, (_, n) => (n % 3 === 0 ? "a" : "b")));
  expect(await take(150)).toEqual(Array.from({ length: 150 }, (_, n) => String(n * 3 + 1)));
  add("b", "a");
  expect(await take(1)).toEqual(["452"]);
  feed.close();
});

test("an event that comes while the ones before are read is not left out", async () => {
  const { feed, add, take } = feedOf();
  add("a");
  // it begins to read
  expect([String(feed.next()).includes("ready"), feed.next()]).toEqual([true, undefined]);
  add("a");
  expect(await take(2)).toEqual(["1", "2"]);
  feed.close();
});

test("a database that is away for a moment ends nothing", async () => {
  const { feed, state, add, take } = feedOf();
  state.failures = 1;
  add("a");
  expect(await take(1)).toEqual(["1"]);
  feed.close();
});
