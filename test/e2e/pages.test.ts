/** The pages as people use them, in real Chromium against a real hub: projects, servers, tokens, keys, roles. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import { type Browser, chromium, openBrowser, signIn } from "#test/hub/dashboard/browser.ts";
import { type TestHub, startHub } from "#test/hub/kit/hub.ts";
import { createClient } from "#test/hub/kit/people.ts";
import { until } from "#test/kit/wait.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

describe.skipIf(chromium === undefined)("the pages in a browser (needs Chromium)", () => {
  let hub: TestHub;
  let browser: Browser;
  let owner = "";

  beforeAll(async () => {
    hub = await startHub();
    owner = (await hub.owner()).email;
    browser = await openBrowser();
  });
  afterAll(async () => {
    await browser?.[Symbol.asyncDispose]();
    await hub?.[Symbol.asyncDispose]();
  });
  afterEach(async () => {
    expect(browser.complaints).toEqual([]);
    await browser.forget();
  });

  test("a project is made, with a source whose token is shown once and works", async () => {
    await signIn(browser, hub.url, owner);
    await browser.go(`${hub.url}/projects`);
    await browser.press("New project");
    await browser.fill("Name", "shop");
    await browser.press("Create project");
    await browser.see("h1", "shop");
    await browser.press("New source");
    await browser.fill("Name", "checkout");
    await browser.press("Create source");
    await browser.see("dialog .notice", "shown only now");
    const token = await browser.see("dialog .copyable pre", "ost_");
    expect(token).toMatch(/^ost_[\w-]{43}$/);
    const curl = await browser.see("dialog .copyable pre", "curl");
    expect(curl).toContain(`${hub.url}/api/logs`);
    await browser.press("Copy: Source token");
    await browser.see("dialog [role=status]", "Copied");
    expect(await browser.run("getSelection().toString()")).toBe(token);
    await browser.press("Close");
    await browser.see(".list .name", "checkout");
    expect(await browser.run(`document.body.textContent.includes(${JSON.stringify(token)})`)).toBe(false);

    await using command = Bun.spawn(["sh", "-c", curl], { stdout: "pipe", stderr: "ignore" });
    expect(JSON.parse(await new Response(command.stdout).text())).toMatchObject({ accepted: 1 });
  });

  test("a server is added by hand, given a new token, revoked and deleted", async () => {
    await signIn(browser, hub.url, owner);
    await browser.go(`${hub.url}/projects`);
    await browser.press("New project");
    await browser.fill("Name", "by-hand");
    await browser.press("Create project");
    await browser.press("Add server");
    await browser.press("By hand");
    await browser.fill("Host name", "web-9");
    await browser.press("Add server");
    const command = await browser.see("dialog .copyable pre", "ORION_ENDPOINT");
    const first = /ORION_AGENT_TOKEN=(oat_[\w-]{43}) /.exec(command)?.[1] ?? "";
    const id = /ORION_SERVER_ID=(\S+)/.exec(command)?.[1] ?? "";
    const alive = async (token: string) =>
      (
        await createClient(hub.url, { authorization: `Bearer ${token}`, "x-server-id": id }).send(
          "POST",
          "/api/v1/agent/logs",
          {},
        )
      ).status !== 401;
    expect(await alive(first)).toBe(true);
    await browser.press("Close");
    await browser.press("web-9");
    await browser.see("h1", "web-9");
    await browser.press("New token");
    await browser.press("Replace the token");
    const renewed = await browser.see("dialog .copyable pre", "ORION_ENDPOINT");
    const second = /ORION_AGENT_TOKEN=(oat_[\w-]{43}) /.exec(renewed)?.[1] ?? "";
    expect([await alive(first), await alive(second)]).toEqual([false, true]);
    await browser.press("Close");
    await browser.press("Revoke token");
    await browser.press("Revoke");
    await browser.gone("dialog h2", "Revoke");
    expect(await alive(second)).toBe(false);
    await browser.press("Delete server");
    await browser.see("dialog h2", "Delete web-9?");
    await browser.press("Delete server");
    await browser.see("h1", "Servers");
    await browser.go(`${hub.url}/servers/${id}`);
    await browser.see("h1", "There is no such server");
    await browser.go(`${hub.url}/audit`);
    await browser.see(".list td", "deleted the server web-9");
  });

  test("an enrolment token comes with commands to paste, and is revoked", async () => {
    await signIn(browser, hub.url, owner);
    await browser.go(`${hub.url}/projects`);
    await browser.press("default");
    await browser.press("New enrolment token");
    await browser.fill("Name", "web servers");
    await browser.fill("Servers", "20");
    await browser.press("Create token");
    const token = await browser.see("dialog .copyable pre", "oet_");
    await browser.see("dialog .copyable pre", `sudo orion setup --server --api-url ${hub.url} --token ${token} --yes`);
    await browser.see("dialog .copyable pre", "#cloud-config");
    const enrol = () =>
      createClient(hub.url, { authorization: `Bearer ${token}` }).send("POST", "/api/enrol", { hostname: "auto-1" });
    expect((await enrol()).status).toBe(201);
    await browser.press("Close");
    await browser.see(".list td", "1 of 20");
    await browser.press("Revoke web servers");
    await browser.press("Revoke token");
    await browser.gone(".list .name", "web servers");
    expect((await enrol()).status).toBe(401);
  });

  test("an API key is made with what it may do, shown once, and revoked", async () => {
    await signIn(browser, hub.url, owner);
    await browser.go(`${hub.url}/account`);
    await browser.press("New key");
    await browser.see("dialog h2", "New API key");
    await browser.fill("Name", "backup");
    await browser.press("Create key");
    const token = await browser.see("dialog .copyable pre", "oak_");
    const key = createClient(hub.url, { authorization: `Bearer ${token}` });
    expect([
      (await key.get("/api/servers")).status,
      (await key.send("POST", "/api/projects", { name: "x" })).status,
    ]).toEqual([200, 403]);
    await browser.press("Done");
    await browser.see(".list .name", "backup");
    await browser.press("Revoke backup");
    await browser.press("Revoke key");
    await browser.gone(".list .name", "backup");
    expect((await key.get("/api/servers")).status).toBe(401);
  });

  test("a viewer is offered nothing that would be refused", async () => {
    const agent = await hub.agent("seen-1");
    await agent.beat();
    await hub.source("seen-source");
    await signIn(browser, hub.url, (await hub.viewer()).email);
    const offered = async (names: readonly string[]) => {
      const found: string[] = [];
      for (const name of names) if (await browser.offers(name)) found.push(name);
      return found;
    };
    await browser.see(".fleet .name", "seen-1");
    expect(await browser.offers("Audit")).toBe(false);
    await browser.go(`${hub.url}/projects`);
    await browser.see(".list .name", "default");
    expect(await browser.offers("New project")).toBe(false);
    await browser.press("default");
    await browser.see(".list .name", "seen-source");
    expect(await offered(["Rename", "Delete", "Add server", "New source", "New enrolment token"])).toEqual([]);
    await browser.go(`${hub.url}/servers/${agent.id}`);
    await browser.see(".facts dd", "connected");
    expect(await offered(["New token", "Revoke token", "Delete server"])).toEqual([]);
    await browser.go(`${hub.url}/organization`);
    await browser.see(".list .note", "(you)");
    expect(await offered(["Invite", "Rename", `Remove ${owner}`])).toEqual([]);
  });

  test("the API is browsable: searched, opened, with an example", async () => {
    await signIn(browser, hub.url, owner);
    await browser.go(`${hub.url}/api/docs`);
    await browser.see(".operation code", "/api/servers/{id}/agent-token");
    await browser.fill("Search the API", "post api/servers");
    await browser.see("h2", "Servers");
    const operation =
      "POST/api/serversRegister a server, or get a new token for one that is; the token is shown this once";
    await browser.press(operation);
    await browser.see(".inside p", "Owners and admins");
    await browser.see(".inside .member code", "hostname");
    const curl = await browser.see(".inside .copyable pre");
    expect(curl).toContain(`curl -X POST '${hub.url}/api/servers'`);
    expect(curl).toContain(`"hostname"`);
  });

  test("a dialog keeps the keyboard inside, closes on Escape, and gives the focus back", async () => {
    await signIn(browser, hub.url, owner);
    await browser.go(`${hub.url}/projects`);
    await browser.press("New project");
    await browser.see("dialog h2", "New project");
    await until(() => browser.run<boolean>("document.activeElement?.name === 'name'"), "the first field's focus");
    for (let i = 0; i < 8; i++) {
      await browser.view.press("Tab");
      // the browser's own buttons come between; the page behind never does
      expect(
        await browser.run(
          "document.activeElement === document.body || document.querySelector('dialog').contains(document.activeElement)",
        ),
      ).toBe(true);
    }
    await browser.view.press("Escape");
    await browser.gone("dialog h2", "New project");
    expect(await browser.run("document.activeElement.textContent")).toBe("New project");
  });

  test("every page fits a phone, whatever names it shows, and names all that can be used", async () => {
    const long = "a-very-long-name-without-a-single-space-in-it".repeat(3).slice(0, 100);
    const member = await hub.owner();
    const project = (await (await member.send("POST", "/api/projects", { name: long })).json()) as {
      readonly id: string;
    };
    await member.send("POST", `/api/projects/${project.id}/sources`, { name: long });
    await member.send("POST", `/api/projects/${project.id}/enrolment-tokens`, { name: long });
    await member.send("POST", "/api/auth/keys", {
      name: long,
      scopes: ["view:servers", "manage:servers", "logs:write"],
    });
    await member.send("POST", "/api/organization/invitations", {
      email: `${long.slice(0, 60)}@${long}.example.com`,
      role: "viewer",
    });
    const registered = await member.send("POST", "/api/servers", { hostname: long, project: project.id });
    const { id } = (await registered.json()) as { readonly id: string };
    await signIn(browser, hub.url, owner);
    await browser.view.resize(390, 844);
    const places = [
      "/",
      "/projects",
      `/projects/${project.id}`,
      `/servers/${id}`,
      "/account",
      "/organization",
      "/audit",
      "/device",
      "/api/docs",
      "/projects/none",
    ];
    const found: Record<string, unknown> = {};
    for (const place of places) {
      await browser.go(hub.url + place);
      found[place] = await browser.run(faults);
    }
    await browser.go(`${hub.url}/projects/${project.id}`);
    for (const button of [
      "Add server",
      "New source",
      "New enrolment token",
      `Examples for ${long}`,
      "Rename",
      "Delete",
    ]) {
      await browser.press(button);
      await browser.see("dialog h2");
      found[button] = await browser.run(faults);
      await browser.press("Close");
    }
    await browser.forget();
    for (const place of ["/login", "/setup#x", "/invite/x"]) {
      await browser.go(hub.url + place);
      found[place] = await browser.run(faults);
    }
    await browser.view.resize(1280, 800);
    expect(Object.entries(found).filter(([, list]) => (list as unknown[]).length > 0)).toEqual([]);
  });
});

/** What is wrong with a page as it stands: too wide, without a name, or twice the same id. Runs in the page. */
const faults = `(() => {
  const faults = [];
  const root = document.querySelector("dialog[open]") ?? document.documentElement;
  if (root.scrollWidth > root.clientWidth) faults.push("wider than the screen by " + (root.scrollWidth - root.clientWidth));
  if (document.querySelectorAll("h1").length !== 1) faults.push("not one heading");
  if (document.documentElement.lang === "") faults.push("no language");
  const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) faults.push("id twice: " + id);
  for (const field of document.querySelectorAll("input:not([type=hidden]), select"))
    if (field.labels.length === 0 && !field.getAttribute("aria-label")) faults.push("no label: " + field.outerHTML);
  for (const one of document.querySelectorAll("button, a[href], summary"))
    if ((one.getAttribute("aria-label") ?? one.textContent).trim() === "") faults.push("no name: " + one.outerHTML);
  for (const one of document.querySelectorAll("[style]")) if (one.getAttribute("style") !== "" && !one.matches(".track > span")) faults.push("a style of its own: " + one.outerHTML);
  return faults;
})()`;
