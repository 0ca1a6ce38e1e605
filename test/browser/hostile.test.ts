import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import type { ErrorsPage } from "#src/protocol/error-group.ts";
import { chromium } from "#test/hub/dashboard/browser.ts";
import { type Agent, type TestHub, createAgent, ndjson, startHub } from "#test/hub/kit/hub.ts";
import { until } from "#test/kit/wait.ts";
import { hostileBeat, hostileEvents, hostileLines, hostileNames } from "./hostile.ts";
import { type Inspector, inspectAt } from "./inspect.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

/** In the page: what text has become that it must not. */
const harm = `(() => {
  const found = [];
  if (window.orionPwned !== undefined || ({}).orionPwned !== undefined) found.push("it was run");
  for (const one of document.querySelectorAll("*")) {
    for (const { name } of one.attributes) if (/^on|^srcdoc$/.test(name)) found.push("handler " + one.tagName + " " + name);
    const to = one.getAttribute("href") ?? one.getAttribute("src") ?? one.getAttribute("action") ?? "";
    if (/^\\s*(?:javascript|data|vbscript):/i.test(to) && one.rel !== "icon") found.push("address " + to);
    if (one.href && one.origin !== location.origin && one.tagName === "A") found.push("link elsewhere " + one.href);
  }
  for (const one of document.querySelectorAll("img, iframe, object, embed, base, script:not([src])")) found.push(one.tagName);
  if (/attacker|^title$/.test(document.title)) found.push("title " + document.title);
  return found;
})()`;

/** In the page: text whose marks of direction would turn round what stands beside it on the same line. */
const leaking = `(() => {
  const found = new Set();
  const walker = document.createTreeWalker(document.querySelector("#app"), NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    if (!/[\\u202A-\\u202E\\u2066-\\u2069]/.test(node.data)) continue;
    let one = node.parentElement;
    while (getComputedStyle(one).display === "inline" && getComputedStyle(one).unicodeBidi === "normal") one = one.parentElement;
    const style = getComputedStyle(one);
    if (style.display === "inline" || style.unicodeBidi !== "normal") continue;
    // a block of its own does no harm beyond it
    const others = [...one.childNodes].filter((child) => !child.contains(node) && child.textContent.trim() !== "" &&
      (child.nodeType === 3 || getComputedStyle(child).display.startsWith("inline")));
    const flows = !/flex|grid/.test(style.display);
    if (flows && others.length > 0) found.add(one.tagName.toLowerCase() + "." + one.className);
  }
  return [...found];
})()`;

describe.skipIf(chromium === undefined)("hostile text (needs Chromium)", () => {
  let hub: TestHub;
  let agents: readonly Agent[];
  let projectId = "";
  let fingerprints: readonly string[] = [];

  beforeAll(async () => {
    hub = await startHub();
    const owner = await hub.owner();
    const [first] = hostileNames;
    const made = async (path: string, body: unknown) => {
      const response = await owner.send("POST", path, body);
      expect(response.status, `${path} ${await response.clone().text()}`).toBeLessThan(300);
      return (await response.json()) as { readonly id: string; readonly token: string };
    };
    projectId = (await made("/api/projects", { name: first })).id;
    await made(`/api/projects/${projectId}/sources`, { name: first });
    await made(`/api/projects/${projectId}/enrolment-tokens`, { name: first, maxUses: 1, expiresInHours: 1 });
    await made("/api/auth/keys", { name: first, scopes: ["view:servers"] });
    expect((await owner.send("PATCH", "/api/organization", { name: first })).status).toBeLessThan(300);

    agents = await Promise.all(
      hostileNames.map(async (hostname) =>
        createAgent(hub.url, await made("/api/servers", { hostname, project: projectId })),
      ),
    );
    for (const agent of agents) {
      expect((await agent.beat(hostileBeat())).status).toBe(200);
      const json = { "content-type": "application/json" };
      expect((await agent.post("events", JSON.stringify(hostileEvents()), json)).status).toBe(202);
    }
    const lines = { "content-type": "application/x-ndjson" };
    expect((await agents[0]?.post("logs", ndjson(hostileLines()), lines))?.status).toBe(202);
    const at = new Date().toISOString();
    const invalid = `{"seq":5000,"at":"${at}","source":"bytes","stream":"stdout","level":"error","message":"bytes \xff\xfe\xc0\x80 \xed\xa0\x80 that are no text"}\n`;
    expect((await agents[0]?.post("logs", Buffer.from(invalid, "latin1"), lines))?.status).toBe(202);
    fingerprints = await until(async () => {
      const { groups } = await hub.json<ErrorsPage>("/api/errors?limit=200");
      return groups.length >= 8 ? groups.map(({ fingerprint }) => fingerprint) : undefined;
    }, "error groups of hostile text");
  });
  afterAll(async () => await hub?.[Symbol.asyncDispose]());

  const places = () => [
    "/",
    `/servers/${agents[0]?.id}`,
    `/servers/${agents[3]?.id}`,
    "/logs",
    `/logs?q=${encodeURIComponent("<img")}`,
    `/logs?q=${encodeURIComponent('"<script>')}`,
    "/errors",
    ...fingerprints.slice(0, 4).map((fingerprint) => `/errors/${fingerprint}`),
    "/events",
    "/projects",
    `/projects/${projectId}`,
    "/organization",
    "/account",
    "/audit",
  ];

  test.each([
    [1440, 900],
    [390, 844],
  ])("is only ever text, on every page at %d pixels", async (width, height) => {
    await using inspector: Inspector = await inspectAt(width, height);
    await inspector.enter(hub.url, await hub.owner());
    const found: unknown[] = [];
    for (const place of places()) {
      await inspector.open(hub.url + place);
      await inspector.screenshot(`hostile${place.split("?")[0]?.replaceAll(/[^a-z]+/g, "-") ?? ""}-${width}`);
      const { complaints, failed, tooWide } = await inspector.look();
      const trouble = {
        place,
        complaints,
        failed,
        tooWide,
        harm: await inspector.browser.run<string[]>(harm),
        leaking: await inspector.browser.run<string[]>(leaking),
      };
      if (Object.values(trouble).some((list) => Array.isArray(list) && list.length > 0)) found.push(trouble);
    }
    expect(found).toEqual([]);
  });
});
