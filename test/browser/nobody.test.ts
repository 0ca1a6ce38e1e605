import { expect, test } from "bun:test";

import { chromium } from "#test/hub/dashboard/browser.ts";
import { startHub } from "#test/hub/kit/hub.ts";
import { describePages, unvisited } from "./describe-pages.ts";
import { inspectAt } from "./inspect.ts";

describePages("nobody", 1440);
describePages("nobody", 390);

test("every page that the hub serves is looked at", () => {
  expect(unvisited()).toEqual([]);
});

test.skipIf(chromium === undefined)("all pages together take less than 150 kB to load (needs Chromium)", async () => {
  await using hub = await startHub();
  await using inspector = await inspectAt(1440, 900);
  await inspector.open(`${hub.url}/login`);
  expect(inspector.transferred()).toBeWithin(10_000, 150_000);
});
