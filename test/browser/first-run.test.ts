import { readFileSync } from "node:fs";

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import type { Credentials } from "#src/protocol/api.ts";
import { chromium } from "#test/hub/dashboard/browser.ts";
import { type TestHub, startHub } from "#test/hub/kit/hub.ts";
import { orionBinary } from "#test/kit/binary.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { startProgram } from "#test/kit/program.ts";
import { until } from "#test/kit/wait.ts";
import { type Inspector, inspectAt } from "./inspect.ts";

// a machine that does much else at the same time takes its time, and the binary may have to be built
setDefaultTimeout(120_000);

describe.skipIf(chromium === undefined)("somebody new (needs Chromium)", () => {
  test("lands on a page that moves: `orion up`, the printed password, and figures that change by themselves", async () => {
    await using folder = temporaryFolder("orion-up-");
    const command = [await orionBinary(), "up", "--dir", folder.at("trial"), "--port", "0"];
    await using program = startProgram(command, { env: { HOME: folder.path } });
    const ended = async () => {
      program.kill("SIGTERM");
      await program.exited;
    };
    const read = (pattern: RegExp) => until(() => pattern.exec(program.output())?.[1], `${pattern} of its output`);
    const url = await read(/Dashboard\s+(http:\S+)/);
    const shown = await read(/password (\S+)/);
    const credentials = JSON.parse(readFileSync(folder.at("trial", "credentials.json"), "utf8")) as Credentials;
    expect(shown).toBe(credentials.password ?? "");

    await using inspector = await inspectAt(1440, 900);
    const { browser } = inspector;
    await browser.go(url);
    await browser.fill("E-mail", credentials.email ?? "");
    await browser.fill("Password", shown);
    await browser.press("Sign in");
    await browser.see(".connection", "Live");
    const first = await browser.see(".row", "%");
    await until(async () => (await browser.texts(".row"))[0] !== first, "other figures");
    expect(inspector.troubles().complaints).toEqual([]);
    await ended();
  });
});

describe.skipIf(chromium === undefined)("pages of a hub without servers (needs Chromium)", () => {
  let hub: TestHub;
  let inspector: Inspector;

  beforeAll(async () => {
    hub = await startHub();
    inspector = await inspectAt(390, 844);
  });
  afterAll(async () => {
    await inspector?.[Symbol.asyncDispose]();
    await hub?.[Symbol.asyncDispose]();
  });

  /** what each says, and what it gives to press or to copy */
  const empty = [
    ["/", "Add your first server", "Create the command"],
    ["/logs", "orion log", "Copy: On a server with an agent"],
    ["/errors", "No errors to look at", "Copy: On a server with an agent"],
    ["/events", "Nothing has happened yet", "Servers"],
    ["/projects", "default", "New project"],
    ["/organization", "Members", "Invite"],
  ] as const;

  test.each(empty)("%s says what to do next, whole and clean", async (address, text, offered) => {
    await inspector.enter(hub.url, await hub.owner());
    await inspector.open(hub.url + address);
    await inspector.browser.see("main", text);
    expect(await inspector.browser.offers(offered)).toBe(true);
    expect(await inspector.look()).toEqual({ complaints: [], failed: [], axe: [], tooWide: [] });
  });

  test.each(empty)("%s offers a viewer nothing that only others may do", async (address, _text, offered) => {
    const managing = ["Create the command", "New project", "Invite", "Add server"];
    await inspector.enter(hub.url, await hub.viewer());
    await inspector.open(hub.url + address);
    for (const name of managing) expect(await inspector.browser.offers(name), name).toBe(false);
    expect(await inspector.look()).toEqual({ complaints: [], failed: [], axe: [], tooWide: [] });
    expect(managing.includes(offered) || (await inspector.browser.offers(offered))).toBe(true);
  });
});
