import { describe, expect, test } from "bun:test";

import { type Feed, createBell, createStreams } from "#src/hub/api/sse.ts";
import { until } from "#test/kit/wait.ts";

const good = () => Promise.resolve(true);

/** A feed without text, whose bell the test rings. */
function silentFeed() {
  const bell = createBell();
  const state = { asked: 0, closed: false };
  const feed: Feed = {
    next() {
      state.asked++;
      return undefined;
    },
    wait: bell.wait,
    close: () => void (state.closed = true),
  };
  return { feed, state, ring: bell.ring };
}

describe("a stream of server-sent events", () => {
  test("shows that it lives while there is news, but none for its reader", async () => {
    const streams = createStreams({ keepAliveAfterMs: 20 });
    const { feed, state, ring } = silentFeed();
    const reader = streams.open(feed, good).body?.getReader();
    const news = setInterval(ring, 1);
    try {
      // the first comment comes at once, each later one has waited for the time of silence
      for (let i = 0; i < 3; i++) expect(new TextDecoder().decode((await reader?.read())?.value)).toBe(":\n\n");
      expect(state.asked).toBeGreaterThan(10);
    } finally {
      clearInterval(news);
      streams.close();
    }
  });

  test.each([
    ["is told that its reader may not read any more", () => Promise.resolve(false)],
    ["can't be told", () => Promise.reject(new Error("the database is closed"))],
  ])("ends when it %s", async (_, stillGood) => {
    const streams = createStreams({ recheckMs: 5 });
    const { feed, state } = silentFeed();
    const text = await streams.open(feed, stillGood).text();
    expect(text).toBe(":\n\n");
    expect(state.closed).toBeTrue();
    expect(streams.count()).toBe(0);
  });

  test("asks again and again while the answer is yes, and stops asking at its end", async () => {
    const streams = createStreams({ recheckMs: 2 });
    let asked = 0;
    const { feed } = silentFeed();
    const response = streams.open(feed, async () => ++asked > 0);
    await until(() => asked > 5, "questions");
    await response.body?.cancel();
    expect(streams.count()).toBe(0);
    const before = asked;
    await Bun.sleep(20);
    expect(asked).toBe(before);
  });
});
