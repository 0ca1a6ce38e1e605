import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";

import { expect, test } from "bun:test";
import fc from "fast-check";

import { type ScriptRecord, openRecords } from "#src/agent/supervisor/state.ts";
import { temporaryFolder } from "#test/kit/folder.ts";

const record: ScriptRecord = {
  format: 1,
  name: "web",
  state: "waiting",
  wanted: "up",
  bootId: "b",
  run: { id: "r", pid: 5, startTicks: 6, startedAt: "2026-01-01T00:00:00.000Z", cgroup: "/c", memoryKillsBefore: 2 },
  crashes: 3,
  restarts: 4,
  nextRestartAt: "2026-01-01T00:00:01.000Z",
  lastExit: { code: null, signal: "SIGKILL", observed: true, oom: true, at: "2026-01-01T00:00:00.000Z" },
  captured: true,
  kill: { signal: "SIGINT", timeoutMs: 5 },
  definition: "d",
};

test("a record comes back as it was written, readable by nobody else", async () => {
  await using folder = temporaryFolder();
  const records = openRecords(folder.path);
  records.write(record);
  records.write({ ...record, crashes: 9 });
  records.write({ ...record, name: "api", run: null });
  const api = { ...record, name: "api", run: null };
  expect(openRecords(folder.path).readAll()).toEqual({ records: [api, { ...record, crashes: 9 }], broken: [] });
  expect(statSync(folder.at("scripts/web.json")).mode & 0o777).toBe(0o600);
  records.remove("web");
  records.remove("web");
  expect(readdirSync(folder.at("scripts"))).toEqual(["api.json"]);
});

test("a folder that is not there holds no records", async () => {
  await using folder = temporaryFolder();
  expect(openRecords(folder.at("none")).readAll()).toEqual({ records: [], broken: [] });
});

test("a record cut anywhere is set aside and named, and the others are read", async () => {
  await using folder = temporaryFolder();
  const text = JSON.stringify(record);
  mkdirSync(folder.at("scripts"));
  fc.assert(
    fc.property(fc.nat(text.length - 1), (length) => {
      const records = openRecords(folder.path);
      records.write({ ...record, name: "api" });
      writeFileSync(folder.at("scripts/web.json"), text.slice(0, length));
      const found = records.readAll();
      expect(found.records.map(({ name }) => name)).toEqual(["api"]);
      expect(found.broken.map(({ path }) => path)).toEqual([folder.at("scripts/web.json.broken")]);
      expect(readFileSync(folder.at("scripts/web.json.broken"), "utf8")).toBe(text.slice(0, length));
      expect(openRecords(folder.path).readAll().broken).toEqual([]);
    }),
    { numRuns: 30 },
  );
});

test("a record of another script or of another format is set aside", async () => {
  await using folder = temporaryFolder();
  mkdirSync(folder.at("scripts"));
  writeFileSync(folder.at("scripts/api.json"), JSON.stringify(record));
  writeFileSync(folder.at("scripts/new.json"), JSON.stringify({ ...record, name: "new", format: 2 }));
  const { records, broken } = openRecords(folder.path).readAll();
  expect(records).toEqual([]);
  expect(broken.map(({ why }) => why)).toEqual(["it is of a script called web", expect.stringContaining("format")]);
});
