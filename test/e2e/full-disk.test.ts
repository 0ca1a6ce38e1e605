/** A full disk: under the agent's buffer, with the hub there and with the hub away, and under the hub's data. */
import { cpSync } from "node:fs";

import { describe, expect, test } from "bun:test";

import type { EventsPage } from "#src/protocol/api.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { until } from "#test/kit/wait.ts";

import { judge, newestNumber, readNumbers } from "./kit/lines.ts";
import { peakRssMiB } from "./kit/memory.ts";
import { type System, createSystem } from "./kit/orion.ts";
import { mountSmallDisk, smallDiskMissing } from "./kit/small-disk.ts";

const missing = smallDiskMissing();
const mebibyte = 1024 * 1024;
/** The agent's bar under a flood of lines is 128 MiB. */
const mostRssMiB = 160;

const count = 100_000;
const numbers = (lines: number) => ({
  name: "numbers",
  command: `seq -f 'line %.0f of a script that does not know how full the disk is' 1 ${lines}; exec sleep 100000`,
});
const complete = { lines: count, lost: 0, repeated: 0, outOfOrder: 0, examples: [] };

/** The config folder, and so the buffer, moves to another place. */
function moveConfig(system: System, to: string): void {
  cpSync(`${system.agentDir}/etc`, to, { recursive: true });
}

async function everythingIn(system: System, lines = count): Promise<void> {
  await until(async () => (await newestNumber(system, "numbers")) === lines, "the last line", 30_000);
  await until(async () => (await system.status()).delivery.ledger.buffered === 0, "an empty buffer");
}

describe.skipIf(missing !== undefined)(`a full disk${missing === undefined ? "" : ` (${missing})`}`, () => {
  test("under the buffer: what is too much for it is held back, and nothing is lost", async () => {
    await using place = temporaryFolder();
    await using disk = await mountSmallDisk(place.at("disk"), 2 * mebibyte);
    // run folder and buffer share it: there is nowhere to go on
    const env = { ORION_CONFIG_DIR: place.at("disk/etc"), ORION_RUN_DIR: place.at("disk/run") };
    await using system = await createSystem({ scripts: [numbers(count)], env });
    moveConfig(system, place.at("disk/etc"));
    disk.fill(mebibyte);
    await system.agent.start();
    await everythingIn(system);
    expect(judge(await readNumbers(system, "numbers"), count)).toEqual(complete);
    expect((await system.status()).delivery.ledger).toMatchObject({ dropped: 0 });
    expect(peakRssMiB(system.agent.pid())).toBeLessThan(mostRssMiB);
  }, 60_000);

  // Before, what was acknowledged could not be noted anywhere, and the lines that were still in the pipe's journal came
  // again after each kill.
  test("without a byte left beside the buffer: a kill -9 neither loses nor repeats a line", async () => {
    await using place = temporaryFolder();
    await using disk = await mountSmallDisk(place.at("disk"), 2 * mebibyte);
    const few = 50;
    const env = { ORION_CONFIG_DIR: place.at("disk/etc") };
    await using system = await createSystem({ scripts: [numbers(few)], env });
    moveConfig(system, place.at("disk/etc"));
    disk.fill();
    await system.agent.start();
    for (let kill = 0; kill < 3; kill++) {
      await everythingIn(system, few);
      await system.agent.end("SIGKILL");
      if (kill === 1) disk.free();
      await system.agent.start();
    }
    await everythingIn(system, few);
    expect(judge(await readNumbers(system, "numbers"), few)).toEqual({ ...complete, lines: few });
  }, 60_000);

  // Before, a chunk of which the disk took a part was counted as lost whole.
  test("under the buffer while the hub is away: the script goes on, and what is lost is counted", async () => {
    await using place = temporaryFolder();
    await using disk = await mountSmallDisk(place.at("disk"), 2 * mebibyte);
    const env = { ORION_CONFIG_DIR: place.at("disk/etc"), ORION_RUN_DIR: place.at("disk/run") };
    const printed = place.at("all-printed");
    const { name, command } = numbers(count);
    await using system = await createSystem({
      scripts: [{ name, command: command.replace("exec", `: >${printed}; exec`) }],
      env,
    });
    await system.hub.end("SIGKILL");
    moveConfig(system, place.at("disk/etc"));
    disk.fill(mebibyte);
    await system.agent.start();
    await until(() => Bun.file(printed).exists(), "the end of the script", 30_000);
    await system.hub.start();
    // not the oldest but what came while there was no room is what is lost, maybe the very last line
    const told = async (): Promise<readonly { readonly source: string; readonly count: number }[]> => {
      const { events } = await system.get<EventsPage>("/api/events?type=logs.dropped");
      return events.flatMap(({ event }) => (event.type === "logs.dropped" ? event.sources : []));
    };
    await until(async () => (await told()).length > 0, "the loss in the hub", 30_000);
    await until(async () => (await system.status()).delivery.ledger.buffered === 0, "an empty buffer");
    const arrived = judge(await readNumbers(system, "numbers"), count);
    expect(arrived).toMatchObject({ repeated: 0, outOfOrder: 0 });
    expect(arrived.lost).toBeGreaterThan(0);
    const sum = (of: (source: string) => boolean, all: Awaited<ReturnType<typeof told>>): number =>
      all.filter(({ source }) => of(source)).reduce((total, each) => total + each.count, 0);
    // the event of a start may be lost as well, and is counted as such
    expect(sum((source) => source === "numbers", await told())).toBe(arrived.lost);
    expect((await system.status()).delivery.ledger.dropped).toBe(sum(() => true, await told()));
    expect(peakRssMiB(system.agent.pid())).toBeLessThan(mostRssMiB);
  }, 60_000);

  test("under the hub's data: it takes nothing, says so, and has everything once there is space again", async () => {
    await using place = temporaryFolder();
    await using disk = await mountSmallDisk(place.at("data"), 64 * mebibyte);
    await using system = await createSystem({
      config: { buffer: { maxEntries: 1_000_000 } },
      hubEnv: { ORION_HUB_DATA_DIR: place.at("data") },
    });
    await system.agent.start();
    await until(async () => (await system.status()).delivery.lastAck !== null, "a first acknowledgement");
    disk.fill();
    await system.run("script", "add", "numbers", numbers(count).command, "--start");
    const error = await until(async () => (await system.status()).delivery.lastError, "a refusal");
    expect(error).toMatch(/^the hub answered 503: .*(full|space)/);
    expect((await fetch(`${system.hubUrl()}/healthz`)).status).toBe(200);
    disk.free();
    await everythingIn(system);
    expect(judge(await readNumbers(system, "numbers"), count)).toEqual(complete);
    expect((await system.status()).delivery.ledger).toMatchObject({ dropped: 0 });
  }, 60_000);
});
