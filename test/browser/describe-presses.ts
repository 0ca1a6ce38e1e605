/** The suite of one person who presses everything there is on some of the pages. Files of their own run it, side by side. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import { chromium } from "#test/hub/dashboard/browser.ts";
import { type Inspector, inspectAt } from "./inspect.ts";
import { noThings, visitsOf } from "./pages.ts";
import { pressAll } from "./press-all.ts";
import { type Rig, startRig } from "./rig.ts";

/** Signing out ends it; a download isn't a page. */
const never = /^Sign out|^Download/;
/** Rules that hold whoever presses: the last owner stays one, a project with servers stays, a form's dates are dates. */
const refusals = /^409 (?:DELETE .*\/api\/projects\/|(?:PATCH|DELETE) .*\/api\/organization\/members\/)/;

export type Part = "fleet" | "settings";
const settings = new Set(["projects", "project", "organization", "account", "audit", "device", "api"]);

/** `who` may do what; the viewer is offered less, and nothing of it may be refused. */
export function describePresses(who: "owner" | "viewer", width: 1440 | 390, part: Part): void {
  setDefaultTimeout(120_000);

  const visits = visitsOf(noThings).filter(
    ({ name, open }) => open !== true && settings.has(name) === (part === "settings"),
  );

  describe.skipIf(chromium === undefined)(
    `everything that ${who} can press at ${width} pixels (needs Chromium)`,
    () => {
      let rig: Rig;
      let inspector: Inspector;

      beforeAll(async () => {
        rig = await startRig({ servers: 24 });
        inspector = await inspectAt(width, 900);
        await inspector.enter(rig.hub.url, await rig.hub[who]());
      });
      afterAll(async () => {
        await inspector?.[Symbol.asyncDispose]();
        await rig?.[Symbol.asyncDispose]();
      });

      test.each(visits.map(({ name }) => [name]))("%s: nothing complains, nothing fails", async (name) => {
        const { address = "" } = visitsOf(rig.things).find((visit) => visit.name === name) ?? {};
        const { pressed, troubles } = await pressAll(inspector, rig.hub.url + address, { never, refusals });
        expect(troubles).toEqual([]);
        expect(pressed.length).toBeGreaterThan(3);
      });
    },
  );
}
