import { describe, expect, test } from "bun:test";

import type { ErrorGroups, GroupTold } from "#src/hub/api/error-ports.ts";
import { createErrorFeed } from "#src/hub/api/routes/error-feed.ts";
import type { ErrorGroup } from "#src/protocol/error-group.ts";

function openFeed() {
  const listeners = new Set<(told: GroupTold) => void>();
  const groups: Pick<ErrorGroups, "get" | "onChange"> = {
    // as far as the feed looks at it
    get: (projects, fingerprint) => (projects.includes("p1") ? ({ fingerprint } as ErrorGroup) : undefined),
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
  const feed = createErrorFeed(groups, () => ["p1"]);
  const told = () => {
    const next = feed.next() ?? "";
    const text = typeof next === "string" ? next : new TextDecoder().decode(next);
    return [...text.matchAll(/event: (.*)\ndata: (.*)\n/g)].map(([, name, data]) => [name, JSON.parse(data ?? "")]);
  };
  expect(told()).toEqual([["ready", {}]]);
  return { feed, told, listeners, tell: (one: GroupTold) => listeners.forEach((listener) => listener(one)) };
}

const changed = (fingerprint: string, project = "p1"): GroupTold => ({
  kind: "group",
  project,
  fingerprint,
  news: ["seen"],
});

describe("the feed of error groups", () => {
  test("tells a group that changes often once, with all its news", () => {
    const { told, tell } = openFeed();
    tell({ ...changed("a"), news: ["new"] } as GroupTold);
    tell(changed("a"));
    tell(changed("b"));
    expect(told()).toEqual([
      ["group", { group: { fingerprint: "a" }, news: ["new", "seen"] }],
      ["group", { group: { fingerprint: "b" }, news: ["seen"] }],
    ]);
    expect(told()).toEqual([]);
  });

  test("tells nothing of projects of others", () => {
    const { told, tell } = openFeed();
    tell(changed("a", "p2"));
    tell({ kind: "gone", project: "p2", fingerprint: "a", mergedInto: "b" });
    expect(told()).toEqual([]);
  });

  test("tells what a group has become part of, and no more of itself", () => {
    const { told, tell } = openFeed();
    tell(changed("a"));
    tell({ kind: "gone", project: "p1", fingerprint: "a", mergedInto: "b" });
    expect(told()).toEqual([["gone", { fingerprint: "a", mergedInto: "b" }]]);
  });

  test("asks a reader that is too slow, or after everything was grouped anew, to read its list again", () => {
    const { told, tell } = openFeed();
    for (let n = 0; n <= 2000; n++) tell(changed(`g${n}`));
    tell(changed("after"));
    expect(told().map(([name]) => name)).toEqual(["lost", "group"]);
    tell(changed("a"));
    tell({ kind: "all" });
    expect(told()).toEqual([["lost", {}]]);
  });

  test("leaves when it is closed", () => {
    const { feed, listeners } = openFeed();
    feed.close();
    expect(listeners.size).toBe(0);
  });
});
