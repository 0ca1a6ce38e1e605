import fc from "fast-check";
import { describe, expect, test } from "bun:test";

import { bind, ownAddress } from "#src/hub/dashboard/router.ts";

const origin = "https://hub.example.com:8420";

describe("where to go after signing in", () => {
  for (const [next, to] of [
    [null, "/"],
    ["", "/"],
    ["/projects/1?x=2#y", "/projects/1?x=2#y"],
    ["/device?code=WDJB-MJHT", "/device?code=WDJB-MJHT"],
    ["//evil.example", "/"],
    ["/\\evil.example", "/"],
    // Before, the browser's own reading of the dots left two slashes
    ["/.//evil.example", "/"],
    ["/a/..//evil.example", "/"],
    ["/%2e//evil.example", "/"],
    ["/\t/evil.example", "/"],
    ["https://evil.example/", "/"],
    ["javascript:alert(1)", "/"],
    ["projects", "/"],
    ["/login", "/"],
    ["/login?next=/login", "/"],
  ] as const) {
    test(`${JSON.stringify(next)} leads to ${to}`, () => expect(ownAddress(next, origin)).toBe(to));
  }

  test("is never another site", () => {
    const piece = fc.constantFrom("/", "\\", "//", "@", ":", "evil.example", "\t", "\n", "%2f", ".", "#", "?", "http:");
    fc.assert(
      fc.property(fc.array(piece), fc.boolean(), (rest, dots) => {
        const pieces = dots ? ["/", ".", ...rest] : rest;
        expect(new URL(ownAddress(pieces.join(""), origin), origin).origin).toBe(origin);
      }),
    );
  });
});

describe("an address is the page of a pattern", () => {
  for (const [pattern, path, params] of [
    ["/", "/", {}],
    ["/projects", "/projects", {}],
    ["/projects", "/projects/", {}],
    ["/projects/:id", "/projects/a%2Fb", { id: "a/b" }],
    ["/projects/:id", "/projects", undefined],
    ["/projects/:id", "/projects/", undefined],
    ["/projects/:id", "/projects/%E0%A4%A", undefined],
    ["/projects/:id", "/servers/1", undefined],
  ] as const) {
    test(`${path} ${params === undefined ? "is not" : "is"} ${pattern}`, () => {
      expect(bind(pattern, path)).toEqual(params);
    });
  }
});
