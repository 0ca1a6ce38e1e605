/** The suite of one person at one width: every page in light and dark. Files of their own run it, side by side. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import { pagePaths } from "#src/hub/api/pages.ts";
import { chromium } from "#test/hub/dashboard/browser.ts";
import { type Inspector, inspectAt } from "./inspect.ts";
import { type Visit, noThings, visitsOf } from "./pages.ts";
import { type Rig, startRig } from "./rig.ts";

export type Role = "owner" | "viewer" | "nobody";

/** Heights of a laptop's and a telephone's window, in CSS pixels. */
const heights = { 1440: 900, 390: 844 } as const;

/** Half of what counts as good (web.dev/articles/cls). */
const maxShift = 0.05;

/** How a page finds out that nobody is signed in. */
const asksWhoIsHere = /^401 GET .*\/api\/auth\/session$/;

export function describePages(role: Role, width: keyof typeof heights): void {
  // a machine that does much else at the same time takes its time
  setDefaultTimeout(60_000);

  const visits = visitsOf(noThings).filter(({ open = false }) => open === (role === "nobody"));

  describe.skipIf(chromium === undefined)(`pages for ${role} at ${width} pixels (needs Chromium)`, () => {
    let rig: Rig;
    let inspector: Inspector;
    let places: ReadonlyMap<string, Visit>;

    beforeAll(async () => {
      rig = await startRig({ servers: 24 });
      places = new Map(visitsOf(rig.things).map((visit) => [visit.name, visit]));
      inspector = await inspectAt(width, heights[width]);
      const person = role === "owner" ? rig.hub.owner() : role === "viewer" ? rig.hub.viewer() : null;
      await inspector.enter(rig.hub.url, await person);
    });
    afterAll(async () => {
      await inspector?.[Symbol.asyncDispose]();
      await rig?.[Symbol.asyncDispose]();
    });

    test.each(visits.map(({ name }) => [name]))("%s holds still, fits, and can be used by all", async (name) => {
      await inspector.show("light");
      await inspector.open(rig.hub.url + (places.get(name)?.address ?? ""));
      const { shift, shifted } = await inspector.timing();
      expect(shift, shifted.join("\n")).toBeLessThan(maxShift);
      for (const theme of ["light", "dark"] as const) {
        await inspector.show(theme);
        await inspector.screenshot(`${name}-${role}-${width}-${theme}`);
        const found = await inspector.look();
        const failed = found.failed.filter((request) => role !== "nobody" || !asksWhoIsHere.test(request));
        expect({ ...found, failed }, `${name} in the ${theme}`).toEqual({
          complaints: [],
          failed: [],
          axe: [],
          tooWide: [],
        });
      }
    });
  });
}

/** Paths that no visit goes to. */
export function unvisited(): readonly string[] {
  const visited = new Set<string>(visitsOf(noThings).map(({ page }) => page));
  return pagePaths.filter((path) => !visited.has(path));
}
