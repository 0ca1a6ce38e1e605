import { expect, test } from "bun:test";
import fc from "fast-check";

import { backoffCeilingMs, definitionOf, judgeCrash } from "#src/agent/supervisor/policy.ts";

import { scriptOf } from "./rig.ts";

const web = scriptOf({ name: "web", command: "serve", maxRestarts: 5, backoffBase: 1000, stableAfter: 10_000 });
const none = (): number => 0;

test("each crash in a row doubles the wait, and the last one that is tolerated gives up", () => {
  const waits = [0, 1, 2, 3, 4].map((before) => judgeCrash(web, before, 5, none));
  expect(waits).toEqual([
    { crashes: 1, restartInMs: 1000, gaveUp: false },
    { crashes: 2, restartInMs: 2000, gaveUp: false },
    { crashes: 3, restartInMs: 4000, gaveUp: false },
    { crashes: 4, restartInMs: 8000, gaveUp: false },
    { crashes: 5, restartInMs: null, gaveUp: true },
  ]);
});

test("a script that was up for stableAfter begins to count again", () => {
  expect(judgeCrash(web, 4, 9_999, none).gaveUp).toBe(true);
  expect(judgeCrash(web, 4, 10_000, none)).toEqual({ crashes: 1, restartInMs: 1000, gaveUp: false });
});

test("without autoRestart a crash is final but nothing is given up", () => {
  expect(judgeCrash({ ...web, autoRestart: false }, 0, 5, none)).toEqual({
    crashes: 1,
    restartInMs: null,
    gaveUp: false,
  });
});

test("with maxRestarts 0 the first crash is the last", () => {
  expect(judgeCrash({ ...web, maxRestarts: 0 }, 0, 5, none)).toEqual({ crashes: 1, restartInMs: null, gaveUp: true });
});

test("the wait is the doubled base with at most a tenth more, and never over a minute", () => {
  const base = fc.integer({ min: 0, max: 86_400_000 });
  const before = fc.integer({ min: 0, max: 10_000 });
  const share = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(base, before, share, (backoffBase, crashes, random) => {
      const script = { ...web, backoffBase, maxRestarts: 100_000 };
      const wait = judgeCrash(script, crashes, 0, () => random).restartInMs ?? -1;
      const plain = Math.min(backoffCeilingMs, backoffBase * 2 ** Math.min(crashes, 31));
      expect(wait).toBeGreaterThanOrEqual(Math.min(backoffCeilingMs, plain));
      expect(wait).toBeLessThanOrEqual(Math.min(backoffCeilingMs, Math.ceil(plain * 1.1)));
    }),
  );
});

test("settings that only say how it is restarted or stopped are no other definition", () => {
  const soft = {
    ...web,
    autoRestart: false,
    maxRestarts: 1,
    backoffBase: 1,
    killSignal: "SIGINT",
    killTimeout: 1,
  } as const;
  expect(definitionOf({ ...soft, stableAfter: 1, enabled: false })).toBe(definitionOf(web));
  expect(definitionOf({ ...web, env: { A: "1", B: "2" } })).toBe(definitionOf({ ...web, env: { B: "2", A: "1" } }));
});

test("settings that a process has taken up are another definition", () => {
  const changes = [
    { command: "other" },
    { cwd: "/tmp" },
    { user: "nobody" },
    { env: { A: "1" } },
    { envFile: "/etc/env" },
    { memoryMax: 1 },
    { captureOutput: false },
  ];
  for (const change of changes) expect(definitionOf({ ...web, ...change })).not.toBe(definitionOf(web));
});
