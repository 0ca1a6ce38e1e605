/**
 * Applications outlive their daemon, whatever becomes of it: killed with -9, killed for memory, replaced in place,
 * upgraded, upgraded to a program that does not work. Each run prints one JSON line with what happened and what arrived.
 * ORION_SOAK=1 makes it 200 times; ORION_SEED=N repeats the choices of a run.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { beforeAll, expect, test } from "bun:test";

import { orionBinary } from "#test/kit/binary.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { until } from "#test/kit/wait.ts";

import { createRandom, disturb } from "./kit/disturbances.ts";
import { type Verdict, judge, newestNumber, readNumbers } from "./kit/lines.ts";
import { type System, createSystem } from "./kit/orion.ts";
import { install, replacements, whoAnswers } from "./kit/replacing.ts";

const soak = process.env["ORION_SOAK"] === "1";
const seed = Number(process.env["ORION_SEED"] ?? Math.floor(Math.random() * 1_000_000));
const times = soak ? 200 : 20;
const program = join(import.meta.dir, "programs/prints.pl");
const buffer = { maxEntries: 5_000_000, maxBytes: 2_000_000_000 };
const newer = "9.9.9";

beforeAll(async () => {
  await orionBinary();
  await orionBinary(newer);
}, 120_000);

/** Ten scripts that print: one as much as it can, the others between once a second and a thousand times a second. */
function tenScripts(folder: string): { readonly name: string; readonly command: string }[] {
  const paces = ["20000 1", "10 0.01", "1 0.01", "1 0.05", "100 0.3", "1 1", "3 0.1", "500 0.7", "2 0.02", "5 0.2"];
  return paces.map((pace, index) => ({
    name: `prints-${index}`,
    command: `exec ${program} ${folder} prints-${index} ${pace}`,
  }));
}

async function pidsOf(system: System): Promise<Record<string, number | null>> {
  const { scripts } = await system.status();
  return Object.fromEntries(scripts.map(({ name, pid }) => [name, pid]));
}

/** Stops the printing, waits until the hub has what was printed, and judges each script. */
async function judgeAll(system: System, folder: string, names: readonly string[]): Promise<Record<string, Verdict>> {
  writeFileSync(join(folder, "stop"), "");
  const verdicts: Record<string, Verdict> = {};
  for (const name of names) {
    const total = await until(() => existsSync(join(folder, name)), `the end of ${name}`, 60_000).then(() =>
      Number(readFileSync(join(folder, name), "utf8")),
    );
    await until(async () => (await newestNumber(system, name)) === total, `line ${total} of ${name}`, 120_000);
    verdicts[name] = judge(await readNumbers(system, name), total);
  }
  return verdicts;
}

const clean = { lost: 0, repeated: 0, outOfOrder: 0 };

test(
  "ten applications keep their pids and every line, whatever happens to the daemon",
  async () => {
    await using place = temporaryFolder("orion-outlive-");
    const path = place.at("orion");
    const versions = [await orionBinary(newer), await orionBinary()];
    install(path, versions[1] ?? "");
    const scripts = tenScripts(place.path);
    await using system = await createSystem({ config: { buffer }, scripts, program: path });
    await system.start();
    const before = await pidsOf(system);
    const begun = performance.now();
    const done = await disturb(replacements(system, path, versions, soak ? 2 : 1), {
      count: times,
      pauseMs: soak ? 700 : 300,
      random: createRandom(seed),
      goOn: () => false,
    });
    // one that was killed during its probation comes back once more
    await until(async () => (await whoAnswers(system))?.settled, "a daemon that stays", 60_000);
    const after = await pidsOf(system);
    const verdicts = await judgeAll(system, place.path, Object.keys(before));
    const sum = (of: keyof typeof clean | "lines"): number =>
      Object.values(verdicts).reduce((total, verdict) => total + verdict[of], 0);
    const result = { lines: sum("lines"), lost: sum("lost"), repeated: sum("repeated"), outOfOrder: sum("outOfOrder") };
    const seconds = Math.round((performance.now() - begun) / 1000);
    const samePids = Object.entries(before).filter(([name, pid]) => after[name] === pid).length;
    console.log(
      JSON.stringify({ run: "outlive", seed, seconds, ...done, scripts: scripts.length, samePids, ...result }),
    );
    expect(after).toEqual(before);
    expect({ verdicts, result }).toMatchObject({ result: clean });
  },
  soak ? 1_800_000 : 180_000,
);
