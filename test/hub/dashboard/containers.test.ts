/** The containers of a server, on its page. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import { containerRows } from "#src/hub/dashboard/pages/server/container-rows.ts";
import type { ContainerStatus } from "#src/protocol/heartbeat.ts";
import { type TestHub, startHub } from "#test/hub/kit/hub.ts";
import { until } from "#test/kit/wait.ts";

import { type Browser, chromium, openBrowser, signIn } from "./browser.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

const container = (name: string, more: Partial<ContainerStatus> = {}): ContainerStatus => ({
  id: name.padEnd(64, "0"),
  name,
  image: "registry.example/shop/odoo:17",
  state: "running",
  health: null,
  restartCount: 0,
  startedAt: new Date(Date.now() - 3_700_000).toISOString(),
  cpu: 12.34,
  memory: { usage: 536_870_912, limit: 1_073_741_824 },
  source: name,
  ...more,
});

const traffic = {
  network: { rxBytes: 2048, txBytes: 1024 },
  blockIo: { readBytes: 0, writtenBytes: 4096 },
};
const sick = container("z-sick", { health: "unhealthy", restartCount: 4 });
const gone = container("a-gone", { state: "exited", cpu: null, memory: { usage: null, limit: null }, restartCount: 2 });

test("containers that need a person come first, then those that run, then the rest, each by name", () => {
  const looping = container("y-loops", { state: "restarting" });
  const rows = containerRows([gone, container("c"), looping, container("b", { health: "healthy" }), sick]);
  expect(rows.map(({ name }) => name)).toEqual(["y-loops", "z-sick", "b", "c", "a-gone"]);
});

describe.skipIf(chromium === undefined)("the page of a server in a browser (needs Chromium)", () => {
  let hub: TestHub;
  let browser: Browser;

  beforeAll(async () => {
    hub = await startHub();
    browser = await openBrowser();
    await signIn(browser, hub.url, (await hub.owner()).email);
  });
  afterAll(async () => {
    await browser?.[Symbol.asyncDispose]();
    await hub?.[Symbol.asyncDispose]();
  });

  test("shows name, image, state, health and figures, and fits on a phone", async () => {
    const agent = await hub.agent("web-1");
    const hostile = container("b-evil", {
      image: `<img src=x onerror="window.hacked=1">`,
      health: "healthy",
      ...traffic,
    });
    await agent.beat({ docker: { available: true, error: null }, containers: [gone, hostile, sick] });
    await browser.go(`${hub.url}/servers/${agent.id}`);
    await browser.see("section[aria-label=Containers] h2", "Containers");
    const rows = await browser.texts("section[aria-label=Containers] .things tbody tr");
    expect(rows.map((row) => row.replace(/\s+/g, " "))).toEqual([
      "unhealthyz-sickregistry.example/shop/odoo:1712.3 %512 MBof 1.0 GB1 h 1 min4––LogsErrors",
      expect.stringMatching(
        /^healthyb-evil<img .*>12\.3 %512 MBof 1\.0 GB1 h 1 min0↓ 2\.0 KB↑ 1\.0 KBr 0 Bw 4\.0 KBLogsErrors$/,
      ),
      "exiteda-goneregistry.example/shop/odoo:17–––2––LogsErrors",
    ]);
    expect(await browser.run("window.hacked ?? null")).toBeNull();
    await browser.view.resize(390, 844);
    await until(async () => (await browser.run("innerWidth")) === 390, "the new size");
    // charts follow the width in a frame of their own
    const fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth";
    await until(async () => await browser.run<boolean>(fits), "nothing wider than the phone");
    expect(browser.complaints).toEqual([]);
  });

  test("says nothing of containers where there are none, and why the engine can't be asked", async () => {
    const agent = await hub.agent("web-2");
    await agent.beat({ docker: { available: false, error: "the engine is gone" } });
    await browser.go(`${hub.url}/servers/${agent.id}`);
    await browser.see(".notice", "Docker: the engine is gone");
    expect(await browser.texts("section[aria-label=Containers]")).toEqual([]);
  });
});
