/**
 * Nothing lost, nothing twice: a script prints numbered lines while agent and hub are killed with -9 and the network
 * between them is cut, at random times. Each run prints one JSON line with what happened and what arrived.
 * ORION_SOAK=1 makes it a million lines and at least forty disturbances; ORION_SEED=N repeats the choices of a run.
 */
import { accessSync, constants, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { beforeAll, expect, test } from "bun:test";

import { orionBinary } from "#test/kit/binary.ts";
import { until } from "#test/kit/wait.ts";

import { type Disturbance, createRandom, disturb, disturbancesOf } from "./kit/disturbances.ts";
import { judge, newestNumber, readNumbers } from "./kit/lines.ts";
import { type System, createSystem } from "./kit/orion.ts";

const soak = process.env["ORION_SOAK"] === "1";
const seed = Number(process.env["ORION_SEED"] ?? Math.floor(Math.random() * 1_000_000));
const lines = soak ? 1_000_000 : 100_000;
const disturbances = soak ? 40 : 12;
const programs = join(import.meta.dir, "programs");
/** Far more than are printed: what is tested here is that nothing is dropped without need. */
const buffer = { maxEntries: 5_000_000, maxBytes: 2_000_000_000 };

/** A run folder where a real one lies, on a tmpfs, when there is one. */
function runFolder(): { readonly path: string } & Disposable {
  let base = "/dev/shm";
  try {
    accessSync(base, constants.W_OK);
  } catch {
    base = tmpdir();
  }
  const path = mkdtempSync(join(base, "orion-e2e-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Waits until the hub has the last line, and the agent knows that the hub has everything. */
async function settle(system: System, source: string, withinMs: number): Promise<void> {
  await until(async () => (await newestNumber(system, source)) === lines, `line ${lines} in the hub`, withinMs);
  await until(async () => (await system.status()).delivery.ledger.buffered === 0, "an empty buffer", withinMs);
}

beforeAll(async () => void (await orionBinary()), 60_000);

test(
  "every line is in the hub once and in order, whatever was killed or cut meanwhile",
  async () => {
    using run = runFolder();
    const sizes = soak ? "500 12000 3000 30000" : "200 3000 700 8000";
    const printed = join(run.path, "all-printed");
    const command = `exec ${programs}/numbers.sh ${printed} ${lines} ${soak ? 1.2 : 0.6} ${sizes}`;
    await using system = await createSystem({
      config: { buffer },
      scripts: [{ name: "numbers", command }],
      env: { ORION_RUN_DIR: run.path },
    });
    const begun = performance.now();
    await system.start();
    const pid = await scriptPid(system);
    const done = await disturb(disturbancesOf(system), {
      count: disturbances,
      pauseMs: soak ? 1200 : 900,
      random: createRandom(seed),
      goOn: () => !existsSync(printed),
    });
    // the last one begins the agent's waiting times anew, so that the end need not be waited for that long
    done["agent kill -9"] = (done["agent kill -9"] ?? 0) + 1;
    await system.agent.end("SIGKILL");
    await system.agent.start();
    await settle(system, "numbers", soak ? 300_000 : 60_000);

    const verdict = judge(await readNumbers(system, "numbers"), lines);
    const { ledger } = (await system.status()).delivery;
    const seconds = Math.round((performance.now() - begun) / 100) / 10;
    const total = Object.values(done).reduce((sum, count) => sum + count, 0);
    console.log(JSON.stringify({ run: "kills and cuts", seed, seconds, disturbances: total, ...done, ...verdict }));
    expect(verdict).toEqual({ lines, lost: 0, repeated: 0, outOfOrder: 0, examples: [] });
    expect({ ...ledger, sent: 0, bufferedBytes: 0 }).toEqual({
      read: ledger.acknowledged,
      sent: 0,
      acknowledged: ledger.acknowledged,
      dropped: 0,
      buffered: 0,
      bufferedBytes: 0,
    });
    expect(total).toBeGreaterThanOrEqual(disturbances);
    // the same process all the time
    expect(await scriptPid(system)).toBe(pid);
  },
  soak ? 900_000 : 120_000,
);

async function scriptPid(system: System): Promise<number | null | undefined> {
  return (await system.status()).scripts.find(({ name }) => name === "numbers")?.pid;
}

test(
  "an agent that is stopped and started again loses nothing of a script that goes on where it was",
  async () => {
    using run = runFolder();
    const printed = join(run.path, "all-printed");
    const command = `exec ${programs}/resumes.pl ${run.path}/counter ${printed} ${lines} 4000 0.4 40`;
    await using system = await createSystem({
      config: { buffer },
      scripts: [{ name: "numbers", command }],
      env: { ORION_RUN_DIR: run.path },
    });
    const begun = performance.now();
    await system.start();
    const stops: Disturbance = {
      kind: "agent stop",
      what: "agent",
      weight: 8,
      async run(random) {
        expect(await system.agent.end("SIGTERM")).toBe(0);
        await Bun.sleep(random() * 300);
        await system.agent.start();
      },
    };
    const others = disturbancesOf(system).filter(({ what }) => what !== "agent");
    const done = await disturb([stops, ...others], {
      count: disturbances,
      pauseMs: 900,
      random: createRandom(seed),
      goOn: () => !existsSync(printed),
    });
    await system.agent.end("SIGKILL");
    await system.agent.start();
    await settle(system, "numbers", 60_000);
    const verdict = judge(await readNumbers(system, "numbers"), lines);
    const seconds = Math.round((performance.now() - begun) / 100) / 10;
    console.log(JSON.stringify({ run: "stops and cuts", seed, seconds, ...done, ...verdict }));
    expect(verdict).toEqual({ lines, lost: 0, repeated: 0, outOfOrder: 0, examples: [] });
  },
  soak ? 900_000 : 120_000,
);

test("a stop while the hub is behind and holds the script back loses nothing of what it has printed", async () => {
  using run = runFolder();
  const count = 80_000;
  const printed = join(run.path, "all-printed");
  const command = `exec ${programs}/resumes.pl ${run.path}/counter ${printed} ${count} 1000000 0 1000`;
  await using system = await createSystem({ config: { buffer }, env: { ORION_RUN_DIR: run.path } });
  await system.start();
  system.proxy.cut("blackhole");
  await system.run("script", "add", "numbers", command, "--start");
  // reading stops at 32 MiB; the agent's journal and the pipe take some more, then the script waits
  let before = -1;
  await until(async () => {
    const { bufferedBytes } = (await system.status()).delivery.ledger;
    const still = bufferedBytes > 32 * 1024 * 1024 && bufferedBytes === before;
    before = bufferedBytes;
    if (!still) await Bun.sleep(50);
    return still;
  }, "a script that is held back");
  expect(existsSync(printed)).toBe(false);
  expect(await system.agent.end("SIGTERM")).toBe(0);
  const stoppedAt = Number(readFileSync(join(run.path, "counter"), "utf8"));
  expect(stoppedAt).toBeLessThan(count);
  system.proxy.heal();
  await system.agent.start();
  await until(() => existsSync(printed), "the last line", 30_000);
  await until(async () => (await newestNumber(system, "numbers")) === count, "the last line in the hub", 30_000);
  const verdict = judge(await readNumbers(system, "numbers"), count);
  console.log(JSON.stringify({ run: "stop while held back", stoppedAt, ...verdict }));
  expect(verdict).toEqual({ lines: count, lost: 0, repeated: 0, outOfOrder: 0, examples: [] });
}, 120_000);
