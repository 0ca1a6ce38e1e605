/**
 * Fifty containers print 200 lines a second each while hub, agent and engine are restarted at random: what each has
 * printed is in the hub completely, in order for each of its two streams, and once. A run prints one JSON line with what
 * happened and what arrived. ORION_SOAK=1 makes it two minutes; ORION_SEED=N repeats the choices of a run.
 */
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { orionBinary } from "#test/kit/binary.ts";
import { until } from "#test/kit/wait.ts";

import { type Disturbance, createRandom, disturb } from "./kit/disturbances.ts";
import { type TestEngine, engineMissing, image, startEngine } from "./kit/engine.ts";
import { readEntries } from "./kit/lines.ts";
import { type Member, createSystem } from "./kit/orion.ts";

const soak = process.env["ORION_SOAK"] === "1";
const seed = Number(process.env["ORION_SEED"] ?? Math.floor(Math.random() * 1_000_000));
const containers = 50;
const linesPerSecond = 200;
const seconds = soak ? 120 : 15;
const lines = linesPerSecond * seconds;
const limitMs = soak ? 900_000 : 180_000;
const missing = engineMissing();

/** Twenty lines, every tenth of them to stderr, then a tenth of a second of rest; `end` on both when all are printed. */
const prints = [
  "i=0",
  `while [ $i -lt ${lines} ]; do`,
  "for _ in 1 2; do",
  'for _ in 1 2 3 4 5 6 7 8 9; do i=$((i+1)); echo "line $i of a container that has something to say"; done',
  'i=$((i+1)); echo "line $i" >&2',
  "done; usleep 95000; done",
  "echo end; echo end >&2; exec sleep 100000",
].join("\n");

type Streams = { readonly stdout: string[]; readonly stderr: string[] };

/** What the engine itself has written down: what it lost when it was killed, nobody can ship. */
function engineLog(engine: TestEngine, id: string): Streams {
  const folder = join(dirname(engine.socket), "data", "containers", id);
  const streams: Streams = { stdout: [], stderr: [] };
  const files = readdirSync(folder).filter((name) => name.includes("-json.log"));
  for (const name of files.sort().toReversed()) {
    for (const line of readFileSync(join(folder, name), "utf8").split("\n")) {
      // one that was torn by a kill is none to the engine either
      if (!line.endsWith("}")) continue;
      const { log, stream } = JSON.parse(line) as { log: string; stream: "stdout" | "stderr" };
      streams[stream].push(log.trimEnd());
    }
  }
  return streams;
}

const restarts =
  (member: Member, signal: NodeJS.Signals, awayMs: number): Disturbance["run"] =>
  async (random) => {
    await member.end(signal);
    await Bun.sleep(random() * awayMs);
    await member.start();
  };

function engineRestarts(engine: TestEngine, signal: NodeJS.Signals): Disturbance["run"] {
  return async (random) => {
    await engine.end(signal);
    await Bun.sleep(random() * 1000);
    await engine.start();
  };
}

/** Where two lists part, for a failure's message. */
function difference(got: readonly string[], wanted: readonly string[]): string | undefined {
  if (got.length === wanted.length && got.every((line, index) => line === wanted[index])) return undefined;
  const at = got.findIndex((line, index) => line !== wanted[index]);
  const from = at === -1 ? got.length : at;
  return `${got.length} of ${wanted.length}, from ${from} on: ${got.slice(from, from + 3).join(" | ")} and not ${wanted.slice(from, from + 3).join(" | ")}`;
}

describe.skipIf(missing !== undefined)(
  `fifty containers of a real engine${missing === undefined ? "" : `: ${missing}`}`,
  () => {
    let engine: TestEngine;
    beforeAll(async () => {
      await orionBinary();
      engine = await startEngine();
    }, 120_000);
    afterAll(async () => {
      await engine?.[Symbol.asyncDispose]();
    }, 120_000);

    test(
      "have each line in the hub once and in order, whatever was restarted meanwhile",
      async () => {
        await using system = await createSystem({ env: { ORION_DOCKER_SOCKET: engine.socket } });
        await system.start();
        const begun = performance.now();
        const names = Array.from({ length: containers }, (_, i) => `c${i}`);
        const ids = new Map<string, string>();
        for (const name of names) {
          const flags = ["--detach", "--network=none", "--name", name, "--log-opt=max-size=1m", "--log-opt=max-file=3"];
          ids.set(name, await engine.docker("run", ...flags, image, "sh", "-c", prints));
        }
        const logs = (): Streams[] => names.map((name) => engineLog(engine, ids.get(name) ?? ""));
        const last = performance.now() + seconds * 1000;
        const all: Disturbance[] = [
          { kind: "agent kill -9", what: "agent", weight: 2, run: restarts(system.agent, "SIGKILL", 1500) },
          { kind: "agent stop", what: "agent", weight: 1, run: restarts(system.agent, "SIGTERM", 500) },
          { kind: "hub kill -9", what: "hub", weight: 2, run: restarts(system.hub, "SIGKILL", 3000) },
          { kind: "hub stop", what: "hub", weight: 1, run: restarts(system.hub, "SIGTERM", 1000) },
          { kind: "engine kill -9", what: "engine", weight: 1, run: engineRestarts(engine, "SIGKILL") },
          { kind: "engine stop", what: "engine", weight: 1, run: engineRestarts(engine, "SIGTERM") },
        ];
        const done = await disturb(all, {
          count: soak ? 20 : 6,
          pauseMs: soak ? 2500 : 1500,
          random: createRandom(seed),
          goOn: () => performance.now() < last,
        });
        const ended = ({ stdout, stderr }: Streams): boolean => stdout.at(-1) === "end" && stderr.at(-1) === "end";
        await until(
          async () => {
            await Bun.sleep(500);
            return logs().every(ended);
          },
          "the end of every container",
          limitMs / 2,
        );
        const wanted = logs();
        const total = wanted.reduce((sum, { stdout, stderr }) => sum + stdout.length + stderr.length, 0);
        await until(
          async () => {
            await Bun.sleep(200);
            const { ledger, state } = (await system.status()).delivery;
            if (state !== "online" || ledger.buffered > 0) return false;
            for (const name of names) {
              const newest = await readEntries(system, name, "&grep=end");
              if (newest.filter(({ message }) => message === "end").length < 2) return false;
            }
            return true;
          },
          "everything in the hub",
          limitMs / 2,
        );

        const wrong: string[] = [];
        let got = 0;
        for (const [index, name] of names.entries()) {
          const entries = await readEntries(system, name);
          got += entries.length;
          for (const stream of ["stdout", "stderr"] as const) {
            const messages = entries
              .filter(({ fields }) => fields?.["stream"] === stream)
              .map(({ message }) => message);
            const why = difference(messages, wanted[index]?.[stream] ?? []);
            if (why !== undefined) wrong.push(`${name} ${stream}: ${why}`);
          }
        }
        const { ledger } = (await system.status()).delivery;
        const printed = containers * (lines + 2);
        console.log(
          JSON.stringify({
            run: "containers, restarts",
            seed,
            seconds: Math.round((performance.now() - begun) / 100) / 10,
            ...done,
            containers,
            printed,
            inTheEngine: total,
            inTheHub: got,
            dropped: ledger.dropped,
            wrong: wrong.length,
          }),
        );
        expect(wrong).toEqual([]);
        expect(got).toBe(total);
        expect(ledger.dropped).toBe(0);
        await engine.docker("rm", "--force", ...names);
      },
      limitMs,
    );
  },
);
