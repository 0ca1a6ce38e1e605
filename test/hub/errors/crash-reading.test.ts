import { expect, test } from "bun:test";

import { createCrashReading } from "#src/hub/errors/crash-reading.ts";
import { systemClock } from "#src/lib/clock.ts";
import { until } from "#test/kit/wait.ts";
import { createTestEvents } from "./rig.ts";

function startedAt(events: ReturnType<typeof createTestEvents>, after: number | undefined) {
  const warnings: string[] = [];
  const warn = (message: string) => void warnings.push(message);
  const reading = createCrashReading({ events, clock: systemClock, wanted: () => undefined, warn }, after);
  reading.start();
  return { reading, warnings };
}

const stopped = { type: "agent.stopped", at: "2026-01-01T00:00:00.000Z", reason: "" } as const;

test("what another hub was done with is not read again by one that has not heard of it yet", async () => {
  const events = createTestEvents();
  for (let n = 0; n < 4; n++) events.append(stopped);
  const asked: number[] = [];
  const late = {
    ...events,
    eventsHead: () => 1,
    eventsAfter: (position: number, limit: number) => {
      asked.push(position);
      return events.eventsAfter(position, limit);
    },
  };
  const { reading } = startedAt(late, 3);
  await until(() => reading.done() === 4, "the event that was left");
  expect(asked).toEqual([3]);
  reading.stop();
});

test("a store that was brought back from before is read from its end", async () => {
  const events = createTestEvents();
  events.append(stopped);
  const { reading } = startedAt(events, 7);
  await until(() => reading.done() === 1, "the place");
  events.append(stopped);
  await until(() => reading.done() === 2, "the next event");
  reading.stop();
});

test("events that can't be read now are read later", async () => {
  const events = createTestEvents();
  let failures = 1;
  const failing = {
    ...events,
    async eventsAfter(position: number, limit: number) {
      if (failures-- > 0) throw new Error("away");
      return await events.eventsAfter(position, limit);
    },
  };
  const { reading, warnings } = startedAt(failing, 0);
  events.append(stopped);
  await until(() => reading.done() === 1, "the event");
  expect(warnings).toEqual(["can't read events, it is tried again soon: away"]);
  reading.stop();
});
