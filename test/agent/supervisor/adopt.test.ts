// The table of adoption: what a new daemon does about what an earlier one left.
import { expect, test } from "bun:test";

import { type Decision, type Found, decide } from "#src/agent/supervisor/adopt.ts";
import type { ProcessStat } from "#src/agent/supervisor/processes.ts";
import { type ScriptRecord, definitionHash } from "#src/agent/supervisor/state.ts";

import { scriptOf } from "./rig.ts";

const script = scriptOf({ name: "web", command: "serve" });
const bootId = "11111111-1111-1111-1111-111111111111";
const run = {
  id: "run",
  pid: 500,
  startTicks: 4242,
  startedAt: "2026-01-01T00:00:00.000Z",
  cgroup: null,
  memoryKillsBefore: 0,
};
const record: ScriptRecord = {
  format: 1,
  name: "web",
  state: "running",
  wanted: "up",
  bootId,
  run,
  crashes: 0,
  restarts: 0,
  nextRestartAt: null,
  lastExit: null,
  captured: true,
  kill: { signal: "SIGTERM", timeoutMs: 1 },
  definition: definitionHash(script),
};
const process: ProcessStat = {
  pid: 500,
  comm: "serve",
  state: "S",
  parent: 1,
  group: 500,
  session: 500,
  cpuTicks: 1,
  startTicks: 4242,
  rssPages: 1,
};
const found: Found = { script, record, bootId, process, self: 77 };
const changed = scriptOf({ name: "web", command: "serve --faster" });
const off = scriptOf({ name: "web", command: "serve", enabled: false });

const rows: readonly [name: string, found: Found, decision: Decision][] = [
  ["no record, enabled", { ...found, record: undefined, process: undefined }, "start"],
  ["no record, not enabled", { ...found, script: off, record: undefined, process: undefined }, "leave"],
  ["the same process", found, "adopt"],
  ["a process stopped by SIGSTOP", { ...found, process: { ...process, state: "T" } }, "adopt"],
  ["a process with changed settings", { ...found, script: changed }, "adopt-changed"],
  ["a process whose soft settings changed", { ...found, script: { ...script, maxRestarts: 1 } }, "adopt"],
  ["no process any more", { ...found, process: undefined }, "unseen"],
  ["the pid used again by another program", { ...found, process: { ...process, startTicks: 9999 } }, "unseen"],
  ["a zombie that somebody else must wait for", { ...found, process: { ...process, state: "Z" } }, "unseen"],
  [
    "a zombie of this very process, replaced in place",
    { ...found, process: { ...process, state: "Z", parent: 77 } },
    "adopt",
  ],
  ["another boot, though pid and start time are the same", { ...found, bootId: "2" }, "start"],
  ["another boot, not enabled", { ...found, script: off, bootId: "2" }, "leave"],
  ["no boot id to be sure with", { ...found, bootId: undefined, record: { ...record, bootId: null } }, "start"],
  ["removed while away", { ...found, script: undefined }, "remove"],
  ["removed before a reboot", { ...found, script: undefined, bootId: "2" }, "forget"],
  [
    "killed just before the spawn",
    { ...found, record: withState("starting", null), process: undefined },
    "go-on-starting",
  ],
  ["killed just after the spawn", { ...found, record: withState("starting", null) }, "adopt"],
  [
    "stopped meanwhile",
    { ...found, record: { ...record, state: "stopped", wanted: "down" }, process: undefined },
    "stay-stopped",
  ],
  ["given up", { ...found, record: { ...record, state: "crashed" }, process: undefined }, "stay-crashed"],
  [
    "given up, but its settings changed",
    { ...found, script: changed, record: { ...record, state: "crashed" } },
    "go-on-starting",
  ],
  [
    "waiting for its restart",
    { ...found, record: { ...record, state: "waiting" }, process: undefined },
    "go-on-waiting",
  ],
  [
    "waiting, but its settings changed",
    { ...found, script: changed, record: { ...record, state: "waiting" } },
    "go-on-starting",
  ],
  ["in the middle of a stop", { ...found, record: { ...record, state: "stopping", wanted: "down" } }, "go-on-stopping"],
  ["in the middle of a restart", { ...found, record: { ...record, state: "stopping" } }, "go-on-starting"],
  ["clearing up before a start", { ...found, record: { ...record, state: "clearing" } }, "go-on-starting"],
];
for (const [name, facts, decision] of rows) {
  test(`${name}: ${decision}`, () => {
    expect(decide(facts)).toBe(decision);
  });
}

function withState(state: ScriptRecord["state"], pid: null): ScriptRecord {
  return { ...record, state, run: { ...run, pid, startTicks: null } };
}
