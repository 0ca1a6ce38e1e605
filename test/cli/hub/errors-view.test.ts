import { describe, expect, test } from "bun:test";

import { painter } from "#src/cli/colour.ts";
import { bars } from "#src/cli/hub/errors-bars.ts";
import { renderTraceback } from "#src/cli/hub/errors-traceback.ts";
import { renderError, renderErrors, title } from "#src/cli/hub/errors-view.ts";
import { parseUntil } from "#src/cli/values.ts";
import type { ErrorDetail, ErrorSample } from "#src/protocol/error-group.ts";

const now = Date.parse("2026-01-31T12:00:00.000Z");
const paint = painter(false);

const sample: ErrorSample = {
  id: "1",
  entry: "7",
  at: "2026-01-31T11:00:00.000Z",
  server: { id: "s", name: "web-1" },
  source: "api",
  stream: "stderr",
  level: "error",
  format: "python",
  parts: [],
  logger: "app.db",
  database: "shop",
  thread: "7",
  release: "1.2",
  lines: ["one", "two"],
  before: [],
  cut: false,
  variant: "v",
};

const detail: ErrorDetail = {
  fingerprint: "v1:abcdefghijklmnopqrst",
  project: "p",
  kind: "error",
  level: "error",
  format: "python",
  type: "ValueError",
  value: "bad\nthing \u001b[2J",
  culprit: "app.index",
  state: "unresolved",
  firstSeen: "2026-01-30T12:00:00.000Z",
  lastSeen: "2026-01-31T11:59:00.000Z",
  count: 1234,
  sparkline: [0, 1, 8],
  sources: ["api", "worker", "cron"],
  servers: [{ id: "s", name: "web-1" }],
  releases: ["1.2"],
  crashes: 3,
  decidedAt: null,
  decidedBy: null,
  resolvedIn: null,
  ignoredUntil: null,
  ignoredFor: null,
  regressedAt: null,
  explanation: { version: 1, method: "frames", decided: [{ what: "type", value: "ValueError" }], ignored: [] },
  merged: ["v1:bcdefghijklmnopqrsta"],
  hours: [],
  bySource: [{ name: "api", count: 1234, lastSeen: "2026-01-31T11:59:00.000Z" }],
  byServer: [],
  byRelease: [{ name: "1.2", count: 34, lastSeen: "2026-01-31T11:59:00.000Z" }],
  crashSummary: [{ how: "exited 1", count: 3, lastAt: "2026-01-31T11:59:00.000Z" }],
  recentCrashes: [],
  sample: null,
};

const stateOf = (more: Partial<ErrorDetail>) =>
  /\n {2}state +(.*)\n/.exec(renderError({ ...detail, ...more }, "default", paint, now))?.[1];

test("bars are as high as their numbers, and none is a dot", () => {
  expect(bars([0, 1, 4, 8])).toBe("·▁▄█");
  expect(bars([0, 0])).toBe("··");
  expect(bars([1])).toBe("█");
  expect(bars([])).toBe("");
});

describe("a group", () => {
  test("is titled on one line, without what would move a cursor, and cut where it is told", () => {
    expect(title(detail)).toBe("ValueError: bad thing");
    expect(title(detail, 8)).toBe("ValueEr…");
    expect(title({ type: null, value: "x" })).toBe("x");
  });

  test("is one line of a list; projects are named when there are several", () => {
    const name = (id: string) => `project ${id}`;
    const one = renderErrors([detail], name, paint, now);
    expect(one[1]).toBe("  abcdefgh  1,234     1m ago  ·▁█       unresolved  api, worker +1  ValueError: bad thing");
    const two = renderErrors([detail, { ...detail, project: "q", regressedAt: detail.lastSeen }], name, paint, now);
    expect(two[2]).toContain("regressed   project q");
  });

  test("tells its state, who decided it, and when it came back", () => {
    const decided = { decidedAt: "2026-01-31T10:00:00.000Z", decidedBy: "ada" };
    expect(stateOf({ regressedAt: "2026-01-31T11:00:00.000Z" })).toBe(
      "unresolved: it was resolved, and came back 1h ago",
    );
    expect(stateOf({ ...decided, state: "resolved", resolvedIn: "1.3" })).toBe("resolved in 1.3, by ada 2h ago");
    expect(stateOf({ ...decided, state: "ignored" })).toBe("ignored, by ada 2h ago");
    expect(stateOf({ state: "ignored", ignoredUntil: "2026-01-31T13:00:00.000Z", ignoredFor: 5 })).toBe(
      "ignored for 1h more or until 5 more have come",
    );
  });

  test("tells of crashes, releases and what was merged into it", () => {
    const text = renderError(detail, "default", paint, now);
    expect(text).toContain("  releases    1.2 (34)\n  crash       exited 1, 3 times, after this error; last 1m ago\n");
    expect(text).toContain("  merged      v1:bcdefghijklmnopqrsta\n  grouped by  type: ValueError\n");
  });
});

describe("a sample", () => {
  test("without calls is shown as it was printed", () => {
    expect(renderTraceback({ ...sample, cut: true }, paint)).toEqual([
      "    one",
      "    two",
      "    (cut: it had more lines than are kept)",
    ]);
    const long = Array.from({ length: 70 }, (_, i) => `line ${i}`);
    expect(renderTraceback({ ...sample, lines: long }, paint).at(-1)).toBe("    (10 more lines)");
  });

  test("says how its errors led to one another, and marks the application's calls", () => {
    const frame = {
      module: "app",
      function: "f",
      file: "a.py",
      line: 3,
      column: null,
      inApplication: true,
      code: " x() ",
    };
    const library = { ...frame, module: null, function: "g", inApplication: false, code: null };
    const parts: ErrorSample["parts"] = [
      { type: "A", value: "outer\nmore", frames: [library, frame], relation: null },
      { type: null, value: "inner", frames: [], relation: "cause" },
    ];
    expect(renderTraceback({ ...sample, parts }, paint)).toEqual([
      "  A: outer",
      "  more",
      "      g (a.py:3)",
      "    > app.f (a.py:3)",
      "          x()",
      "  caused by inner",
    ]);
  });
});

test("a time to come is a span from now, or a time that is not over", () => {
  expect(parseUntil("2h", now)).toBe("2026-01-31T14:00:00.000Z");
  expect(parseUntil("7d", now)).toBe("2026-02-07T12:00:00.000Z");
  expect(parseUntil("2026-02-01", now)).toBe("2026-02-01T00:00:00.000Z");
  expect(() => parseUntil("2026-01-01", now)).toThrow("is over already");
  expect(() => parseUntil("0s", now)).toThrow("is over already");
  expect(() => parseUntil("later", now)).toThrow("is no time");
});
