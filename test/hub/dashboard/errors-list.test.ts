/** What the pages of errors and events are made of, without a browser. */
import { describe, expect, test } from "bun:test";

import { tell, typeWords } from "#src/hub/dashboard/events-text.ts";
import { countByServer } from "#src/hub/dashboard/overview/new-errors.ts";
import { ignoreDecision } from "#src/hub/dashboard/pages/errors/decide.tsx";
import { merge, still } from "#src/hub/dashboard/pages/errors/groups.ts";
import { binsOf } from "#src/hub/dashboard/pages/errors/history.tsx";
import { stretchesOf } from "#src/hub/dashboard/pages/errors/trace.tsx";
import { apiAddress, matches, readView, usual, writeView } from "#src/hub/dashboard/pages/errors/view.ts";
import { counted, decisionText, listed, many, titleOf } from "#src/hub/dashboard/pages/errors/words.ts";
import * as eventView from "#src/hub/dashboard/pages/events/view.ts";
import { retentionOf } from "#src/hub/dashboard/pages/project/retention.tsx";
import { barsPath } from "#src/hub/dashboard/parts/bars.tsx";
import type { StoredEvent } from "#src/protocol/api.ts";
import type { ErrorGroup, ErrorSample } from "#src/protocol/error-group.ts";
import { agentEvent, hubEvent } from "#src/protocol/event.ts";

const nowMs = Date.parse("2026-05-02T10:30:00.000Z");
const ago = (hours: number) => new Date(nowMs - hours * 3_600_000).toISOString();

function group(fingerprint: string, over: Partial<ErrorGroup> = {}): ErrorGroup {
  return {
    fingerprint,
    project: "p1",
    kind: "error",
    level: "error",
    format: "python",
    type: "ValueError",
    value: "no such user",
    culprit: "shop.cart add",
    state: "unresolved",
    firstSeen: ago(100),
    lastSeen: ago(1),
    count: 3,
    sparkline: [],
    sources: ["api"],
    servers: [{ id: "s1", name: "web-1" }],
    releases: ["1.2"],
    crashes: 0,
    decidedAt: null,
    decidedBy: null,
    resolvedIn: null,
    ignoredUntil: null,
    ignoredFor: null,
    regressedAt: null,
    ...over,
  };
}

describe("the address of the list of errors", () => {
  const read = (query: string) => readView(new URLSearchParams(query));

  test("holds all that is unusual, and nothing else", () => {
    const addresses = [
      "/errors",
      "/errors?state=all&sort=count",
      "/errors?state=ignored&kind=warning&q=deadlock&project=p1&server=s1&source=api&release=1.2&since=24h&sort=first",
    ];
    for (const address of addresses) expect(writeView(read(address.split("?")[1] ?? ""))).toBe(address);
    expect(read("state=odd&kind=odd&since=odd&sort=odd")).toEqual(usual);
  });

  test("is asked of the hub with a span as a time", () => {
    expect(apiAddress(read("since=24h&q=x"), nowMs, 50)).toBe(
      "/api/errors?state=unresolved&q=x&since=2026-05-01T10%3A30%3A00.000Z&sort=last&limit=50",
    );
    expect(apiAddress(read("state=all"), nowMs, 50)).toBe("/api/errors?sort=last&limit=50");
  });

  test("says which groups belong to the list when they come by themselves", () => {
    const fits = (query: string, over: Partial<ErrorGroup> = {}) => matches(group("a", over), read(query), nowMs);
    expect(fits("")).toBe(true);
    expect(fits("", { state: "resolved" })).toBe(false);
    expect(fits("state=all", { state: "resolved" })).toBe(true);
    expect(fits("", { kind: "warning" })).toBe(false);
    expect(fits("kind=warning", { kind: "warning" })).toBe(true);
    expect(fits("q=SHOP.cart&server=s1&source=api&release=1.2&project=p1&since=7d")).toBe(true);
    for (const other of ["q=x", "server=s2", "source=worker", "release=2", "project=p2"])
      expect(fits(other)).toBe(false);
    expect(fits("since=1h", { lastSeen: ago(2) })).toBe(false);
  });
});

describe("a list that changes while it is read", () => {
  const names = (groups: readonly ErrorGroup[]) => groups.map(({ fingerprint }) => fingerprint).join("");
  const [a, b] = [group("a", { lastSeen: ago(1) }), group("b", { lastSeen: ago(2) })];

  test("takes in what is told, in order, and leaves out what went or fits no longer", () => {
    const told = new Map<string, ErrorGroup | null>([
      ["b", group("b", { lastSeen: ago(0) })],
      ["c", group("c", { lastSeen: ago(0.5) })],
      ["w", group("w", { kind: "warning" })],
    ]);
    expect(names(merge([a, b], told, usual))).toBe("bca");
    expect(names(merge([a, b], new Map([["a", null]]), usual))).toBe("b");
    expect(names(merge([a, b], new Map([["a", group("a", { state: "resolved" })]]), usual))).toBe("b");
  });

  test("held still, keeps its rows in place, with new figures; new groups wait, further pages don't", () => {
    const newer = group("b", { lastSeen: ago(0), count: 9 });
    const all = merge(
      [a, b, group("d", { lastSeen: ago(9) })],
      new Map([
        ["b", newer],
        ["c", group("c")],
      ]),
      usual,
    );
    const shown = still(all, [a, b, group("d")], ["a", "b"]);
    expect(names(shown)).toBe("abd");
    expect(shown[1]?.count).toBe(9);
  });
});

describe("new errors of servers", () => {
  test("are those first seen or come back since, that nobody has dealt with; warnings are not errors", () => {
    const fresh = { firstSeen: ago(2) };
    const known = [
      [group("old"), ["s1"]],
      [group("new", fresh), ["s1", "s2"]],
      [group("back", { regressedAt: ago(3) }), ["s1"]],
      [group("done", { ...fresh, state: "resolved" }), ["s1"]],
      [group("warned", { ...fresh, kind: "warning" }), ["s1"]],
    ] as const;
    const all = known.map(([one, servers]) => ({ group: one, servers: new Set(servers) }));
    expect([...countByServer(all, nowMs - 86_400_000)]).toEqual([
      ["s1", 2],
      ["s2", 1],
    ]);
  });
});

describe("words of errors", () => {
  test("title, counts and lists", () => {
    expect(titleOf({ type: "ValueError", value: "a\nb" })).toBe("ValueError: a");
    expect(titleOf({ type: null, value: "" })).toBe("(no message)");
    expect(titleOf({ type: "panic", value: "" })).toBe("panic");
    // what turns the direction of text round is shown, not done
    expect(titleOf({ type: null, value: "a\u202eb" })).toBe("a‹202E›b");
    expect([many(999_999), many(1_234_567), counted(1, "event"), counted(2, "crash", "crashes")]).toEqual([
      "999,999",
      "1.2 M",
      "1 event",
      "2 crashes",
    ]);
    expect(listed(["a", "b", "c", "d"])).toBe("a, b and 2 more");
  });

  test("say what was decided and how long it holds", () => {
    const text = (over: Partial<ErrorGroup>) => decisionText(group("a", over), nowMs);
    expect(text({})).toBe("");
    expect(text({ state: "resolved", decidedBy: "ann" })).toBe("resolved by ann");
    expect(text({ state: "resolved", decidedBy: "ann", resolvedIn: "1.3" })).toBe("resolved in 1.3 by ann");
    expect(text({ state: "ignored", decidedBy: "ann" })).toBe("ignored by ann, for good");
    expect(text({ state: "ignored", ignoredFor: 20, ignoredUntil: ago(-2) })).toBe(
      "ignored, until 20 more have come or in 2 h 0 min",
    );
  });

  test("a choice of the dialog is a decision", () => {
    const decision = (choice: string, typed = {}) => ignoreDecision(choice, typed, nowMs);
    expect(decision("")).toEqual({ action: "ignore" });
    expect(decision("24h")).toEqual({ action: "ignore", until: ago(-24) });
    expect(decision("100n")).toEqual({ action: "ignore", count: 100 });
    expect(decision("count", { count: "7" })).toEqual({ action: "ignore", count: 7 });
    expect(decision("time", { time: "2026-05-03T10:30:00.000Z" })).toEqual({ action: "ignore", until: ago(-24) });
  });
});

describe("a traceback", () => {
  const frame = (name: string, inApplication: boolean): ErrorSample["parts"][number]["frames"][number] => ({
    function: name,
    module: null,
    file: null,
    line: null,
    column: null,
    inApplication,
    code: null,
  });
  const shape = (...own: boolean[]) =>
    stretchesOf(own.map((one, i) => frame(String(i), one))).map(
      (stretch) => `${stretch.own ? "own" : "library"} ${stretch.frames.length}`,
    );

  test("folds libraries' functions between the application's", () => {
    expect(shape(false, true, true, false, false)).toEqual(["library 1", "own 2", "library 2"]);
  });

  test("is shown whole when there is nothing of the application in it", () => {
    expect(shape(false, false)).toEqual(["own 2"]);
    expect(shape()).toEqual([]);
  });
});

describe("the history of a group", () => {
  test("has a bar for each step up to now, with every event in one of them", () => {
    const hours = [
      { at: "2026-05-02T10:00:00.000Z", count: 2 },
      { at: "2026-05-02T09:00:00.000Z", count: 1 },
      { at: "2026-04-25T09:00:00.000Z", count: 5 },
    ];
    const day = binsOf(hours, 24, 1, nowMs);
    expect([day.length, day.at(-1)?.count, day.at(-2)?.count]).toEqual([24, 2, 1]);
    expect(day.reduce((sum, { count }) => sum + count, 0)).toBe(3);
    const all = binsOf(hours, null, 24, nowMs);
    expect(all.reduce((sum, { count }) => sum + count, 0)).toBe(8);
    expect(binsOf([{ at: "2024-05-02T10:00:00.000Z", count: 1 }], null, 24, nowMs).length).toBeLessThanOrEqual(90);
  });

  test("draws a bar for a single event beside a million", () => {
    expect(barsPath([0, 1, 1_000_000], 30, 10, 1)).toBe("M10.00 10v-1.50h9.00V10zM20.00 10v-10.00h9.00V10z");
    expect(barsPath([], 30, 10, 1)).toBe("");
  });
});

describe("events", () => {
  const crash = (id: string, at: string, over: Partial<StoredEvent> = {}): StoredEvent => ({
    id,
    serverId: "s1",
    hostname: "web-1",
    event: { type: "watch.failed", at, problem: "refused" },
    ...over,
  });
  const view = (query: string) => eventView.readView(new URLSearchParams(query));

  test("of every type have words", () => {
    const types = [agentEvent, hubEvent].flatMap((union) =>
      union.def.options.map((one) => one.shape.type.def.values[0]),
    );
    expect(Object.keys(typeWords).sort()).toEqual(types.map(String).sort());
    expect(tell({ type: "agent.silent", at: ago(0), since: ago(1), version: null, watch: null }).title).toBe(
      "Agent silent",
    );
  });

  test("are chosen by an address", () => {
    for (const address of ["/events", "/events?type=alerts&server=s1&source=api&since=7d"]) {
      expect(eventView.writeView(view(address.split("?")[1] ?? ""))).toBe(address);
    }
    expect(eventView.typesOf("ssh")).toEqual(["watch.failed", "watch.restored"]);
    expect(eventView.typesOf("agent.back,odd")).toEqual(["agent.back"]);
    expect(view("type=odd&from=odd")).toEqual(eventView.everything);
    expect(eventView.apiAddress(view("type=ssh&from=2026-05-01T00:00:00Z"), nowMs, 100)).toBe(
      "/api/events?from=2026-05-01T00%3A00%3A00.000Z&type=watch.failed%2Cwatch.restored&limit=100",
    );
  });

  test("that come by themselves belong to the list or don't", () => {
    const fits = (query: string) => eventView.matches(crash("1", ago(0)), view(query), () => "p1");
    for (const query of ["", "type=ssh", "server=s1", "project=p1"]) expect(fits(query)).toBe(true);
    for (const query of ["type=agents", "server=s2", "project=p2", "source=api", `to=${ago(1)}`]) {
      expect(fits(query)).toBe(false);
    }
  });

  test("that were read and came are one list, newest first, each once", () => {
    const [one, two, three] = [crash("1", ago(3)), crash("2", ago(2), { error: "v1:x" }), crash("3", ago(1))];
    expect(eventView.merge([two, one], [three, crash("2", ago(2))], true)).toEqual([three, two, one]);
    // a page that is not the last says nothing of what is before it
    expect(eventView.merge([two], [one], false)).toEqual([two]);
  });
});

test("retention that is left empty is as the hub has it", () => {
  expect(retentionOf({ days: "", size: "" })).toEqual({ days: null, bytes: null });
  expect(retentionOf({ days: "30", size: "1.5" })).toEqual({ days: 30, bytes: 1.5 * 1024 ** 3 });
});
