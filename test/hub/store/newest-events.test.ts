import { expect, test } from "bun:test";

import type { HubEvent } from "#src/protocol/event.ts";
import { openTestStore } from "./open.ts";

const at = (second: number) => `2026-01-01T00:00:${String(second).padStart(2, "0")}.000Z`;
const silent = (second: number): HubEvent => ({
  type: "agent.silent",
  at: at(second),
  since: at(0),
  version: null,
  watch: null,
});
const back = (second: number): HubEvent => ({ type: "agent.back", at: at(second), since: at(0), version: null });
const failed = (second: number): HubEvent => ({ type: "watch.failed", at: at(second), problem: "refused" });

test("the newest event of some types is found for each server, in order of arrival", async () => {
  await using opened = await openTestStore();
  const { store } = opened;
  const put = (serverId: string, ...events: HubEvent[]) => store.appendEvents({ serverId, batchId: null, events });
  await put("one", silent(1), back(2), silent(3), failed(4));
  await put("two", silent(5), back(6));
  await put("three", failed(7));
  const newest = new Map(
    (await store.newestOf(["agent.silent", "agent.back"])).map((one) => [one.serverId, one.event]),
  );
  expect(newest).toEqual(
    new Map([
      ["one", silent(3)],
      ["two", back(6)],
    ]),
  );
  expect((await store.newestOf(["watch.failed", "watch.restored"])).map(({ serverId }) => serverId).sort()).toEqual([
    "one",
    "three",
  ]);
  expect(await store.newestOf([])).toEqual([]);
});
