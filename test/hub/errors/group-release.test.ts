import { expect, test } from "bun:test";

import { isAtLeast } from "#src/hub/errors/group-release.ts";

const seen = new Map([
  ["abc", 1],
  ["def", 2],
]);
const firstSeen = (release: string) => seen.get(release) ?? null;

const rows: readonly (readonly [release: string, resolved: string, expected: boolean])[] = [
  ["1.2.3", "1.2.3", true],
  ["1.10.0", "1.9.9", true],
  ["1.9.9", "1.10.0", false],
  ["v2", "1.9", true],
  ["1.2", "1.2.0", true],
  ["1.2.0-rc.1", "1.2.0", false],
  ["1.2.0", "1.2.0-rc.1", true],
  ["1.2.0-rc.10", "1.2.0-rc.9", true],
  ["1.2.0-alpha", "1.2.0-alpha.1", false],
  ["1.2.0-beta", "1.2.0-5", true],
  ["1.2.0+build.7", "1.2.0", true],
  ["shop@2.0.1", "shop@2.0.0", true],
  ["20260102", "20260101", true],
  // by when they were first seen
  ["def", "abc", true],
  ["abc", "def", false],
  ["new", "def", true],
  ["abc", "never-seen", false],
];

for (const [release, resolved, expected] of rows) {
  test(`${release} is ${expected ? "" : "not "}${resolved} or later`, () => {
    expect(isAtLeast(release, resolved, firstSeen)).toBe(expected);
  });
}
