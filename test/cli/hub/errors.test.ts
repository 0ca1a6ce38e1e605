/** `orion errors …` against a real hub whose agents print tracebacks. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import type { ErrorDetail, ErrorGroup, SamplesPage } from "#src/protocol/error-group.ts";
import { type Agent, type TestHub, crash, entry, startHub } from "#test/hub/kit/hub.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";
import { until } from "#test/kit/wait.ts";

import { orion } from "../orion.ts";

setDefaultTimeout(60_000);

let hub: TestHub;
let home: Folder;
let agent: Agent;
let env: Record<string, string>;
let seq = 1;

const traceback = (where: string, what: string) => [
  `about to ${where}`,
  "Traceback (most recent call last):",
  `  File "/srv/app/views.py", line ${seq}, in ${where}`,
  "    return int(text)",
  '  File "/usr/lib/python3.11/json/decoder.py", line 346, in loads',
  "    raise",
  what,
];

async function printed(source: string, lines: readonly string[]): Promise<void> {
  const entries = lines.map((message) =>
    entry(seq++, { source, stream: "stderr", level: "info", at: new Date().toISOString(), message }),
  );
  expect((await agent.logs(entries)).status).toBe(202);
}

beforeAll(async () => {
  hub = await startHub();
  home = temporaryFolder("orion-home-");
  const { token } = await hub.hub.operator.createKey({ name: "cli", scopes: ["view:servers", "manage:servers"] });
  env = { ORION_API_URL: hub.url, ORION_API_TOKEN: token, HOME: home.path };
  agent = await hub.agent("web-1");
  for (let i = 0; i < 3; i++) await printed("api", traceback("index", `ValueError: bad number 'x${i}'`));
  await printed("worker", traceback("work", "KeyError: 'name'"));
  await agent.event(
    crash({ at: new Date().toISOString(), script: "worker", tail: traceback("work", "KeyError: 'name'") }),
  );
  await until(async () => (await list("--sort", "count")).map(({ count }) => count).join() === "3,1", "both groups");
});
afterAll(async () => {
  await hub[Symbol.asyncDispose]();
  await home[Symbol.asyncDispose]();
});

const run = (...words: string[]) => orion(["errors", ...words], { env });
const list = async (...words: string[]) =>
  (JSON.parse((await run("list", "--json", ...words)).out) as { groups: ErrorGroup[] }).groups;
const idOf = async (type: string) =>
  (await list("--state", "all")).find((group) => group.type === type)?.fingerprint ?? "";
const short = (fingerprint: string) => fingerprint.replace("v1:", "").slice(0, 8);

describe("orion errors list", () => {
  test("shows groups with their counts, bars, states and sources", async () => {
    const shown = await run("list");
    expect([shown.code, shown.err]).toEqual([0, ""]);
    expect(shown.out).toMatch(/ID\s+COUNT\s+LAST SEEN\s+24 HOURS\s+STATE\s+SOURCES\s+ERROR\n/);
    expect(shown.out).toMatch(/\w{8}\s+3\s+\d+s ago\s+[·▁-█]{24}\s+unresolved\s+api\s+ValueError: bad number 'x0'\n/);
    expect(shown.out).toMatch(/\w{8}\s+1\s.*\sworker\s+KeyError: 'name'\n/);
  });

  test("filters, sorts and limits", async () => {
    const types = async (...words: string[]) => (await list(...words)).map(({ type }) => type);
    expect(await types("--sort", "count")).toEqual(["ValueError", "KeyError"]);
    expect(await types("--source", "worker")).toEqual(["KeyError"]);
    expect(await types("--grep", "BAD number")).toEqual(["ValueError"]);
    expect(await types("--server", "web-1", "--since", "1h")).toHaveLength(2);
    expect(await types("--state", "resolved")).toEqual([]);
    expect((await run("list", "--kind", "warning")).err).toBe("No errors like that\n");
    const first = await run("list", "-n", "1", "--sort", "count");
    expect(first.out.trim().split("\n")).toHaveLength(2);
    expect(first.err).toContain("There are more: -n 2");
    expect((await run("list", "-q")).out).toMatch(/^(v1:[a-z2-7]{20}\n){2}$/);
    expect((await run("list", "--state", "open")).code).toBe(2);
  });
});

describe("orion errors show", () => {
  test("prints the traceback with the application's calls marked, why it is one group, and what came before", async () => {
    const id = await idOf("ValueError");
    const shown = await run("show", short(id));
    expect([shown.code, shown.err]).toEqual([0, ""]);
    expect(shown.out).toStartWith(`ValueError: bad number 'x0'\n  id          ${id}\n  project     default\n`);
    expect(shown.out).toMatch(/\n {2}state +unresolved\n {2}seen +3 times, first \d+s ago, last \d+s ago\n/);
    expect(shown.out).toMatch(/\n {2}sources +api \(3\)\n {2}servers +web-1 \(3\)\n/);
    expect(shown.out).toContain("grouped by  type: ValueError\n");
    expect(shown.out).toMatch(/\n {4}> \S*index \(\/srv\/app\/views\.py:\d+\)\n {10}return int\(text\)\n/);
    expect(shown.out).toMatch(/\n {6}\S*loads \(\/usr\/lib\/python3\.11\/json\/decoder\.py:346\)\n/);
    expect(shown.out).toMatch(/\nLines before\n(?: {4}.*\n)*? {4}about to index\n/);
    const json = JSON.parse((await run("show", id, "--json")).out) as ErrorDetail;
    expect(json).toMatchObject({ fingerprint: id, count: 3, sample: { server: { name: "web-1" } } });
  });

  test("tells of the crash that followed", async () => {
    const id = await idOf("KeyError");
    const crashed = await until(async () => {
      const { out } = await run("show", id);
      return /\n {2}crash .*\n/.exec(out)?.[0];
    }, "the crash");
    expect(crashed).toMatch(/crash +exited 1, once, after this error; last \d+s ago/);
  });

  test("needs enough of an id to know which one is meant", async () => {
    const none = await run("show", "zzzzzz");
    expect([none.code, none.err]).toEqual([1, expect.stringContaining('there is no error group "zzzzzz"')]);
    const both = await run("show", "v1:");
    expect([both.code, both.err]).toEqual([1, expect.stringContaining("Name one by the first 4 characters")]);
    expect((await run("show")).code).toBe(2);
  });
});

test("groups are resolved, ignored, opened again and merged", async () => {
  const [value, key] = [await idOf("ValueError"), await idOf("KeyError")];
  const state = async (id: string) => /\n {2}state +(.*)\n/.exec((await run("show", id)).out)?.[1];
  expect((await run("resolve", short(value), "--in-release", "1.4.0")).out).toBe(
    `${value} is resolved in 1.4.0: ValueError: bad number 'x0'\n`,
  );
  expect(await state(value)).toMatch(/^resolved in 1\.4\.0, by cli \d+s ago$/);
  expect((await list()).map(({ type }) => type)).toEqual(["KeyError"]);

  const { groups } = JSON.parse((await run("ignore", value, key, "--count", "100", "--json")).out) as {
    groups: ErrorGroup[];
  };
  expect(groups.map((group) => [group.fingerprint, group.state, group.ignoredFor])).toEqual([
    [value, "ignored", 100],
    [key, "ignored", 100],
  ]);
  expect(await state(key)).toMatch(/^ignored until 100 more have come, by cli/);
  expect((await run("ignore", key, "--until", "2h")).out).toMatch(/ is ignored until \d{4}-\d\d-\d\dT\S+Z: KeyError/);
  expect(await state(key)).toMatch(/^ignored for 1h 59m more, by cli/);
  for (const [words, why] of [
    [["--until", "2020-01-01"], '"2020-01-01" is over already'],
    [["--until", "soon"], '"soon" is no time'],
    [["--until", "2h", "--count", "1"], "not both"],
    [["--count", "0"], "--count can't be"],
  ] as const) {
    const refused = await run("ignore", key, ...words);
    expect([refused.code, refused.err]).toEqual([2, expect.stringContaining(why)]);
  }

  expect((await run("reopen", value, key)).out.split("\n")).toHaveLength(3);
  expect(await state(key)).toBe("unresolved");
  // nothing changes when one of them is not there
  expect((await run("resolve", value, "zzzzzz")).code).toBe(1);
  expect(await state(value)).toBe("unresolved");

  const viewer = await hub.hub.operator.createKey({ name: "viewer", scopes: ["view:servers"] });
  const denied = await orion(["errors", "resolve", key], { env: { ...env, ORION_API_TOKEN: viewer.token } });
  expect([denied.code, denied.out]).toEqual([4, ""]);

  expect((await run("merge", key, value)).out).toBe(`${key} is part of ${value} now: ValueError: bad number 'x0'\n`);
  expect((await list()).map(({ fingerprint, count }) => [fingerprint, count])).toEqual([[value, 4]]);
});

test("what was merged is split off again by one of its samples", async () => {
  const value = await idOf("ValueError");
  const shown = await run("show", value, "--samples");
  expect([shown.code, shown.err]).toEqual([0, ""]);
  expect(shown.out).toMatch(/^ *ID +SEEN +LIKE +WHERE +RELEASE +ERROR\n/);
  const [line = "", sample = ""] = /^ *(\d+) .*KeyError.*$/m.exec(shown.out) ?? [];
  expect(line).toMatch(/^ *\d+ +\d+s ago +#\d +web-1\/worker +- +KeyError: 'name'$/);
  const others = JSON.parse((await run("show", value, "--samples", "--json")).out) as SamplesPage;
  expect(others.events.map(({ id }) => id)).toContain(sample);
  for (const [words, code, why] of [
    [["split", value], 2, "<sample>"],
    [["split", value, "newest"], 2, "newest"],
    [["split", value, "999999"], 1, "there is no such sample in this group"],
  ] as const) {
    const refused = await run(...words);
    expect([refused.code, refused.err]).toEqual([code, expect.stringContaining(why)]);
  }
  const split = await run("split", value, sample);
  expect([split.code, split.out]).toEqual([
    0,
    expect.stringMatching(/^v1:\w+ is a group of its own now: KeyError: 'name'\n$/),
  ]);
  expect((await list("--sort", "count")).map(({ type, count }) => [type, count])).toEqual([
    ["ValueError", 3],
    ["KeyError", 1],
  ]);
  const [, left = ""] = /^ *(\d+) /m.exec((await run("show", value, "--samples")).out) ?? [];
  const again = await run("split", value, left);
  expect([again.code, again.err]).toEqual([1, expect.stringContaining("nothing to split off")]);
});

test("orion hub regroup makes the groups anew and says what has changed, while the hub runs", async () => {
  const groups = async () => (await list("--state", "all")).map(({ fingerprint }) => fingerprint);
  const before = await groups();
  const regrouped = await orion(["hub", "regroup", "--since", "1d", "--data-dir", hub.folder, "--json"], { env });
  expect([regrouped.code, regrouped.err]).toEqual([0, ""]);
  expect(JSON.parse(regrouped.out)).toMatchObject({ lines: seq - 1, made: 0, absorbed: 0 });
  expect(await groups()).toEqual(before);
  const wrong = await orion(["hub", "regroup", "--since", "long ago", "--data-dir", hub.folder], { env });
  expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining('"long ago" is no time')]);
});
