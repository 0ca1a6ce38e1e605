import { describe, expect, test } from "bun:test";

import { createLogTail, maxLag } from "#src/hub/api/routes/log-tail.ts";
import { createTailBudget } from "#src/hub/api/routes/tail-budget.ts";
import type { StoredEntry } from "#src/protocol/api.ts";

const entry = (id: number): StoredEntry => ({
  id: String(id),
  serverId: "s",
  seq: id,
  at: "2026-01-01T00:00:00.000Z",
  source: "api",
  stream: "stdout",
  level: "info",
  message: `line ${id}`,
});

/** A log of numbered lines that grows when it is told to. */
function createLog() {
  let head = 0;
  const listeners = new Set<() => void>();
  return {
    after: (position: number, limit: number) => {
      const upTo = Math.min(head, position + limit);
      return { entries: Array.from({ length: upTo - position }, (_, i) => entry(position + i + 1)), position: upTo };
    },
    head: () => head,
    onAppend(listener: () => void) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    grow(count: number) {
      head += count;
      for (const listener of listeners) listener();
    },
    listeners,
  };
}

const ids = (text: string | undefined) =>
  [...(text ?? "").matchAll(/^id: (\d+)\nevent: log$/gm)].map(([, id]) => Number(id));
const everything = () => () => true;

describe("a tail", () => {
  test("gives each line once, in order, and what came while nobody listened", () => {
    const logs = createLog();
    const tail = createLogTail({ logs, testNow: everything, budget: createTailBudget() }, 0);
    expect(tail.next()).toContain("event: ready");
    expect(tail.next()).toBeUndefined();
    logs.grow(1200);
    const seen = [tail.next(), tail.next(), tail.next()].flatMap(ids);
    expect(seen).toEqual(Array.from({ length: 1200 }, (_, i) => i + 1));
    expect(tail.next()).toBeUndefined();
    tail.close();
    expect(logs.listeners.size).toBe(0);
  });

  test("that is too far behind is taken forward and told which lines it missed", () => {
    const logs = createLog();
    const tail = createLogTail({ logs, testNow: everything, budget: createTailBudget() }, 0);
    tail.next();
    logs.grow(maxLag + 5000);
    expect(tail.next()).toContain(`data: {"lines":${maxLag + 4000},"from":"1","to":"${maxLag + 4000}"}`);
    expect(ids(tail.next())[0]).toBe(maxLag + 4001);
    tail.close();
  });

  test("ends when its query takes too long", () => {
    const logs = createLog();
    const slow = () => () => {
      Bun.sleepSync(1100);
      return true;
    };
    const tail = createLogTail({ logs, testNow: slow, budget: createTailBudget() }, 0);
    tail.next();
    logs.grow(1);
    expect(tail.tooSlow()).toBe(false);
    expect(tail.next()).toContain("event: problem");
    expect(tail.tooSlow()).toBe(true);
    expect(tail.next()).toBeUndefined();
    tail.close();
  });

  test("waits for its share of the time while lines come in", () => {
    let now = 0;
    const logs = createLog();
    const budget = createTailBudget(() => now);
    const tail = createLogTail({ logs, testNow: everything, budget }, 0);
    tail.next();
    logs.grow(10);
    budget.spend(1000);
    expect(tail.next()).toBeUndefined();
    now = 100;
    expect(tail.next()).toBeUndefined();
    // its share of a while is time again
    now = 2000;
    expect(ids(tail.next())).toHaveLength(10);
    logs.grow(10);
    budget.spend(1000);
    expect(tail.next()).toBeUndefined();
    now = 5000;
    logs.grow(10);
    expect(ids(tail.next())).toHaveLength(20);
    tail.close();
  });
});
