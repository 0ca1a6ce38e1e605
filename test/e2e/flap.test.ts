/** A hub that is away for longer than lines can be kept: the oldest go, and every one that goes is counted. */
import { existsSync } from "node:fs";
import { join } from "node:path";

import { beforeAll, expect, test } from "bun:test";

import type { EventsPage } from "#src/protocol/api.ts";
import type { StatusAnswer } from "#src/protocol/ipc.ts";
import { orionBinary } from "#test/kit/binary.ts";
import { until } from "#test/kit/wait.ts";

import { judge, newestNumber, readNumbers } from "./kit/lines.ts";
import { type System, createSystem } from "./kit/orion.ts";

const programs = join(import.meta.dir, "programs");
const maxEntries = 5000;

beforeAll(async () => void (await orionBinary()), 60_000);

type Told = { readonly source: string; readonly count: number; readonly from: string; readonly to: string };

/** What `logs.dropped` events in the hub tell, oldest first. */
async function toldDrops(system: System): Promise<readonly Told[]> {
  const { events } = await system.get<EventsPage>("/api/events?type=logs.dropped");
  return events.toReversed().flatMap(({ event }) => (event.type === "logs.dropped" ? event.sources : []));
}

async function settle(system: System, last: number): Promise<StatusAnswer> {
  await until(async () => (await newestNumber(system, "numbers")) === last, `line ${last} in the hub`, 30_000);
  await until(async () => (await system.status()).delivery.ledger.buffered === 0, "an empty buffer");
  return system.status();
}

const away = async (system: System): Promise<boolean> => (await system.status()).delivery.state === "away";

test("lines beyond the limit: oldest dropped, exactly counted, told once, and in the ledger", async () => {
  const count = 60_000;
  const done = "printed";
  await using system = await createSystem({ config: { buffer: { maxEntries } } });
  await system.start();
  await until(async () => (await system.status()).delivery.lastAck !== null, "a first acknowledgement");
  const mark = system.folder.at(done);
  await system.hub.end("SIGKILL");
  const from = Date.now();
  // a first line that waits makes the hub count as away after five seconds; what is printed before is within the limit
  const command = `exec ${programs}/numbers.sh ${mark} ${count} 0.3 100 100 2000 8000`;
  await system.run("script", "add", "numbers", command, "--start");
  await until(() => away(system), "a hub that counts as away", 20_000);
  // no script waits for a hub that is away
  await until(() => existsSync(mark), "the end of the script", 30_000);
  await until(async () => (await system.status()).delivery.ledger.buffered <= maxEntries + 10, "the limit in force");
  const to = Date.now();
  await system.hub.start();

  const { delivery } = await settle(system, count);
  const told = await until(async () => {
    const all = await toldDrops(system);
    return all.length > 0 && all;
  }, "the loss in the hub");
  const numbers = await readNumbers(system, "numbers");
  const verdict = judge(numbers, count);
  console.log(JSON.stringify({ run: "hub away", printed: count, arrived: numbers.length, dropped: verdict.lost }));
  expect(verdict).toMatchObject({ repeated: 0, outOfOrder: 0 });
  expect(verdict.lost).toBeGreaterThan(count / 2);
  // the oldest went: what arrived is the end
  expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, i) => count - numbers.length + 1 + i));
  expect(told).toEqual([{ source: "numbers", count: verdict.lost, from: expect.any(String), to: expect.any(String) }]);
  const [first] = told;
  expect(Date.parse(first?.from ?? "")).toBeWithin(from, to);
  expect(Date.parse(first?.to ?? "")).toBeWithin(Date.parse(first?.from ?? ""), to);
  const { ledger } = JSON.parse((await system.run("status", "--json")).stdout).delivery;
  expect(ledger).toMatchObject({ dropped: verdict.lost, buffered: 0, read: ledger.acknowledged + verdict.lost });
  expect(ledger).toMatchObject({ dropped: delivery.ledger.dropped });
}, 60_000);

test("the count stays exact when the agent is killed with -9 while it drops", async () => {
  const count = 200_000;
  await using system = await createSystem({ config: { buffer: { maxEntries } } });
  await system.start();
  await until(async () => (await system.status()).delivery.lastAck !== null, "a first acknowledgement");
  const mark = system.folder.at("printed");
  await system.hub.end("SIGKILL");
  const command = `exec ${programs}/numbers.sh ${mark} ${count} 0.4 10000`;
  await system.run("script", "add", "numbers", command, "--start");
  for (let kill = 0; kill < 3; kill++) {
    // once in the midst of dropping, once right after a start, and once when all is printed and the limit holds
    if (kill !== 1) await until(() => away(system), "a hub that counts as away", 20_000);
    if (kill === 2) await until(() => existsSync(mark), "the end of the script", 30_000);
    await Bun.sleep(Math.random() * 500);
    await system.agent.end("SIGKILL");
    if (kill === 2) await system.hub.start();
    await system.agent.start();
  }

  const { delivery } = await settle(system, count);
  const numbers = await readNumbers(system, "numbers");
  const verdict = judge(numbers, count);
  // what was dropped in the last moments before a kill is found again: then it is neither lost nor told
  const toldCount = async (): Promise<number> =>
    (await toldDrops(system)).filter(({ source }) => source === "numbers").reduce((sum, each) => sum + each.count, 0);
  await until(async () => (await toldCount()) >= verdict.lost, "the loss in the hub");
  const { dropped } = delivery.ledger;
  console.log(JSON.stringify({ run: "killed while dropping", printed: count, ...verdict, dropped }));
  expect(verdict).toMatchObject({ repeated: 0, outOfOrder: 0 });
  expect({ told: await toldCount(), ledger: dropped }).toEqual({ told: verdict.lost, ledger: verdict.lost });
}, 90_000);
