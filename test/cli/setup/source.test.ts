import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";

import type { Script } from "#src/protocol/scripts.ts";
import { type TestHub, startHub } from "#test/hub/kit/hub.ts";
import { startProgram } from "#test/kit/program.ts";
import { until } from "#test/kit/wait.ts";

import { main, orion } from "../orion.ts";
import { keys, sitDown } from "../typist.ts";
import { answerInBrowser, inventory, temporaryHost, untouched } from "./rig.ts";

/** A host with an application in a folder of it; its scripts file can be written, no daemon runs. */
function hostWithApp(name = "shop") {
  const host = temporaryHost();
  const app = host.at("srv", name);
  mkdirSync(app, { recursive: true });
  writeFileSync(`${app}/package.json`, JSON.stringify({ name: "shop", scripts: { start: "node server.js" } }));
  const read = (path: string): unknown => JSON.parse(readFileSync(path, "utf8"));
  return {
    host,
    app,
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
    scripts: () => (existsSync(host.at("etc/scripts.json")) ? (read(host.at("etc/scripts.json")) as Script[]) : []),
    source: () => (existsSync(`${app}/.orion/config.json`) ? read(`${app}/.orion/config.json`) : undefined),
  };
}

async function makeKey(hub: TestHub): Promise<string> {
  return (await hub.hub.operator.createKey({ name: "test", scopes: ["view:servers", "manage:servers"] })).token;
}

describe.concurrent("orion setup --source at a terminal", () => {
  test("signs in, makes a source, offers what the folder says, registers the script", async () => {
    await using hub = await startHub();
    await using place = hostWithApp();
    await using person = sitDown(["--dir", place.host.path, "setup", "--source", "--api-url", hub.url], {
      cwd: place.app,
    });
    await person.sees("How do you sign in");
    person.types(keys.enter);
    await answerInBrowser(person, hub);
    await person.sees("Project");
    person.types(keys.enter);
    await person.sees("Name of the source");
    await person.sees("shop");
    person.types(keys.enter);
    await person.sees("What starts the application?");
    await person.sees("node server.js");
    person.types(keys.enter);
    await person.sees("Start it again when it crashes?");
    person.types("n");
    await person.sees("Keep what it prints");
    person.types("y");
    await person.sees("Script shop is registered: node server.js");
    expect(await person.exited).toBe(0);
    expect(place.source()).toEqual({
      token: expect.stringMatching(/^ost_/),
      apiUrl: hub.url,
      project: "default",
      source: "shop",
    });
    expect((statSync(`${place.app}/.orion/config.json`).mode & 0o777).toString(8)).toBe("600");
    expect(place.scripts()).toEqual([
      expect.objectContaining({ name: "shop", command: "node server.js", cwd: place.app, autoRestart: false }),
    ]);
    expect(await inventory(hub)).toEqual({ ...untouched, sources: ["shop"] });
  }, 40_000);

  for (const [where, walk] of [
    ["the source's name", [["Name of the source", ""]]],
    [
      "the command",
      [
        ["Name of the source", keys.enter],
        ["What starts the application?", ""],
      ],
    ],
    [
      "the last question",
      [
        ["Name of the source", keys.enter],
        ["What starts the application?", keys.enter],
        ["Start it again", "y"],
        ["Keep what it prints", ""],
      ],
    ],
  ] as const) {
    test(`Ctrl-C at ${where} leaves nothing behind`, async () => {
      await using hub = await startHub();
      await using place = hostWithApp();
      const key = await makeKey(hub);
      const words = ["setup", "--source", "--api-url", hub.url, "--token", key, "--project", "new one"];
      await using person = sitDown(["--dir", place.host.path, ...words], { cwd: place.app });
      await person.sees("Make it?");
      person.types("y");
      for (const [sees, types] of walk) {
        await person.sees(sees);
        if (types !== "") person.types(types);
      }
      person.types(keys.ctrlC);
      expect(await person.exited).toBe(130);
      expect([await inventory(hub), place.source(), place.scripts()]).toEqual([untouched, undefined, []]);
    }, 40_000);
  }
});

describe("orion setup --source without a terminal", () => {
  let hub: TestHub;
  let key: string;
  beforeAll(async () => {
    hub = await startHub();
    key = await makeKey(hub);
  });
  afterAll(async () => {
    await hub[Symbol.asyncDispose]();
  });

  const run = (place: ReturnType<typeof hostWithApp>, ...words: string[]) =>
    orion(["--dir", place.host.path, "setup", "--source", "--api-url", hub.url, "--token", key, ...words], {
      cwd: place.app,
    });

  test("takes its answers from flags, or with --yes from the folder", async () => {
    await using place = hostWithApp("api");
    const first = await run(place, "--yes");
    expect([first.code, first.err]).toEqual([
      0,
      "No agent runs here; it starts the script when it does: sudo systemctl enable --now orion-agent\n",
    ]);
    expect(place.source()).toMatchObject({ project: "default", source: "api" });
    const given = ["--project", "default", "--source-name", "Mail Worker".replace(" ", "_"), "--command", "./mail -v"];
    const second = await run(place, ...given, "--no-auto-restart", "--no-capture");
    expect(second.code).toBe(0);
    expect(place.scripts()[1]).toMatchObject({
      name: "mail-worker",
      command: "./mail -v",
      cwd: place.app,
      autoRestart: false,
      captureOutput: false,
    });
  });

  test("names the flag of an answer that is missing, and changes nothing", async () => {
    await using place = hostWithApp("lacking");
    const rows: readonly [readonly string[], string][] = [
      [
        ["--project", "default"],
        "--source-name is missing, and there is no terminal to ask on. Give --source-name, or --yes",
      ],
      [["--project", "default", "--source-name", "x1"], "--command is missing, and there is no terminal to ask on"],
      [["--project", "default", "--source-name", "a b"], '--source-name can\'t be "a b"'],
      [["--cwd", "/nowhere"], "there is no folder /nowhere"],
    ];
    for (const [words, says] of rows) {
      const { code, out, err } = await run(place, ...words);
      expect([words, code, out]).toEqual([words, 2, ""]);
      expect(err).toStartWith(`orion: ${says}`);
    }
    expect([place.source(), place.scripts()]).toEqual([undefined, []]);
  }, 30_000);

  test("a second run keeps token and script; another folder must not take the source's token unasked", async () => {
    await using place = hostWithApp("twice");
    expect((await run(place, "--yes")).code).toBe(0);
    const before = place.source();
    const again = await run(place, "--yes");
    expect([again.code, again.out]).toEqual([0, expect.stringContaining("Script twice is registered already")]);
    expect([place.source(), place.scripts().length]).toEqual([before, 1]);

    await using other = hostWithApp("twice");
    const refused = await run(other, "--yes");
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining("--replace")]);
    expect(other.source()).toBeUndefined();
    expect((await run(other, "--yes", "--replace")).code).toBe(0);
    const sent = await hub.nobody.fetch("/api/logs", {
      method: "POST",
      body: JSON.stringify({ message: "x" }),
      headers: { authorization: `Bearer ${(before as { token: string }).token}` },
    });
    expect(sent.status).toBe(401);
  }, 30_000);

  test("registers with a running daemon and starts the script, as JSON says", async () => {
    await using place = hostWithApp("live");
    await using agent = startProgram([process.execPath, main, "--dir", place.host.path, "agent"]);
    await until(async () => (await orion(["--dir", place.host.path, "status"])).code === 0, "the agent");
    const answer = await run(place, "--yes", "--json", "--command", "sleep 300");
    expect([answer.code, answer.err]).toEqual([0, ""]);
    expect(JSON.parse(answer.out)).toEqual({
      url: hub.url,
      project: "default",
      source: "live",
      config: `${place.app}/.orion/config.json`,
      script: { name: "live", command: "sleep 300", started: true },
    });
    const changed = await run(place, "--yes", "--command", "sleep 301");
    expect([changed.code, changed.err]).toEqual([
      1,
      expect.stringContaining("script live is there already: sleep 300"),
    ]);
    expect((await run(place, "--yes", "--replace", "--command", "sleep 301")).code).toBe(0);
    const shown = await orion(["--dir", place.host.path, "script", "show", "live", "--json"]);
    expect(JSON.parse(shown.out)).toMatchObject({ script: { command: "sleep 301" }, status: { state: "running" } });
    agent.kill("SIGTERM");
    expect(await agent.exited).toBe(0);
  }, 40_000);

  test("--no-script only writes the source's token", async () => {
    await using place = hostWithApp("elsewhere");
    expect((await run(place, "--yes", "--no-script")).code).toBe(0);
    expect([place.scripts(), place.source()]).toEqual([[], expect.objectContaining({ source: "elsewhere" })]);
  });

  test.skipIf(Bun.which("git") === null)(
    "adds .orion/ to .gitignore in a repository that does not ignore it (needs git)",
    async () => {
      await using place = hostWithApp("tracked");
      await using ignoring = hostWithApp("ignoring");
      Bun.spawnSync(["git", "init", "--quiet", place.host.at("srv")]);
      writeFileSync(`${place.app}/.gitignore`, "node_modules");
      expect((await run(place, "--yes")).out).toContain("Added .orion/ to .gitignore");
      expect((await run(place, "--yes")).code).toBe(0);
      expect(readFileSync(`${place.app}/.gitignore`, "utf8")).toBe("node_modules\n.orion/\n");
      Bun.spawnSync(["git", "init", "--quiet", ignoring.host.at("srv")]);
      writeFileSync(ignoring.host.at("srv/.gitignore"), ".orion\n");
      expect((await run(ignoring, "--yes")).code).toBe(0);
      expect(existsSync(`${ignoring.app}/.gitignore`)).toBe(false);
    },
    30_000,
  );

  test("a hub that fails half-way leaves no source behind", async () => {
    await using place = hostWithApp("halfway");
    // the folder of the source's file is taken by a file
    const before = await inventory(hub);
    writeFileSync(`${place.app}/.orion`, "");
    const refused = await run(place, "--yes");
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining(".orion can't be used: it is no folder")]);
    expect(await inventory(hub)).toEqual(before);
  });

  test("an enrolment token sets no source up", async () => {
    await using place = hostWithApp("enrolled");
    const { token } = await hub.hub.operator.createEnrolment({});
    const { code, err } = await orion(
      ["--dir", place.host.path, "setup", "--source", "--api-url", hub.url, "--token", token, "--yes"],
      { cwd: place.app },
    );
    expect([code, err]).toEqual([2, expect.stringContaining("is an enrolment token, which registers hosts")]);
  });
});
