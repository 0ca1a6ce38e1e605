/** Coming in, as people do it in real Chromium: setup link, password, second factor, invitation, device. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import type { DeviceCode } from "#src/protocol/account.ts";
import { codeOf } from "#test/hub/kit/authenticator.ts";
import { type Browser, chromium, openBrowser, signIn } from "#test/hub/dashboard/browser.ts";
import { type TestHub, startHub } from "#test/hub/kit/hub.ts";
import { createClient, password } from "#test/hub/kit/people.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

describe.skipIf(chromium === undefined)("a new hub (needs Chromium)", () => {
  test("is set up by its link, which works once", async () => {
    await using hub = await startHub({ untouched: true });
    await using browser = await openBrowser();
    const link = /http:\S+\/setup#\S+/.exec(hub.said.join("\n"))?.[0] ?? "";

    await browser.go(hub.url);
    await browser.see("h1", "This hub has no owner yet");

    await browser.go(link);
    await browser.fill("E-mail", "ada@example.com");
    await browser.fill("Your name", "Ada");
    await browser.fill("Password", "too short");
    await browser.press("Create the owner");
    expect(await browser.run("document.querySelector(':invalid[name=password]') !== null")).toBe(true);
    await browser.fill("Password", password);
    await browser.fill("Organization", "Engines");
    await browser.press("Create the owner");
    await browser.see(".welcome h2", "Add your first server");
    expect(await browser.place()).toBe("/");

    await browser.press("Account of Ada");
    await browser.see(".menu .list", "owner of Engines");
    await browser.press("Sign out");
    await browser.see("h1", "Sign in");
    await browser.go(link);
    await browser.see("h1", "This hub is set up");
    expect(browser.complaints).toEqual([]);
  });
});

describe.skipIf(chromium === undefined)("signing in (needs Chromium)", () => {
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

  test("ask who is not signed in to sign in, and go on to where one wanted to go", async () => {
    await browser.go(`${hub.url}/projects?x=1`);
    await browser.see("h1", "Sign in");
    expect(await browser.place()).toBe("/login?next=%2Fprojects%3Fx%3D1");
    await browser.fill("E-mail", owner);
    await browser.fill("Password", "not the password");
    await browser.press("Sign in");
    await browser.see("[role=alert]");
    await browser.fill("Password", password);
    await browser.press("Sign in");
    await browser.see("h1", "Projects");
    expect(await browser.place()).toBe("/projects?x=1");
  });

  test("never lead to another site after signing in", async () => {
    for (const next of ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"]) {
      await browser.forget();
      await browser.go(`${hub.url}/login?next=${encodeURIComponent(next)}`);
      await browser.fill("E-mail", owner);
      await browser.fill("Password", password);
      await browser.press("Sign in");
      await browser.see(".bar nav", "Servers");
      expect(await browser.run("location.href")).toBe(`${hub.url}/`);
    }
  });

  test("say why another provider's sign-in was refused, in words of their own", async () => {
    await browser.go(`${hub.url}/login?error=not-invited`);
    await browser.see("[role=alert]", "Nobody has invited you");
    await browser.go(`${hub.url}/login?error=Call+555-1234`);
    await browser.see("[role=alert]", "Signing in with the provider failed");
  });

  test("take a second factor, and a backup code in its place", async () => {
    const { email } = await hub.admin();
    await signIn(browser, hub.url, email);
    await browser.go(`${hub.url}/account`);
    await browser.press("Switch on");
    await browser.fill("Your password", "not the password");
    await browser.press("Continue");
    await browser.see("dialog [role=alert]");
    await browser.fill("Your password", password);
    await browser.press("Continue");
    await browser.see("dialog h2", "Scan this");
    expect(await browser.run("document.querySelector('.qr path').getAttribute('d').length > 1000")).toBe(true);
    const secret = await browser.see("dialog .copyable pre");
    const uri = `otpauth://totp/x?secret=${secret}`;
    await browser.fill("Code that it shows now", codeOf(uri));
    await browser.press("Confirm");
    await browser.see("dialog .notice", "The second factor is on");
    const [backup = ""] = (await browser.see("dialog .copyable pre")).split("\n");
    await browser.press("I have kept them");
    await browser.see(".subject p", "On: signing in takes a code");

    await browser.forget();
    await browser.go(`${hub.url}/login`);
    await browser.fill("E-mail", email);
    await browser.fill("Password", password);
    await browser.press("Sign in");
    await browser.see("h1", "One more step");
    await browser.press("Use a backup code");
    await browser.fill("Backup code", backup);
    await browser.press("Sign in");
    await browser.see(".bar nav", "Servers");

    await browser.go(`${hub.url}/account`);
    await browser.press("Switch off");
    await browser.see("dialog h2", "Switch off");
    await browser.fill("Your password", password);
    await browser.press("Switch off");
    await browser.see(".subject p", "Off. With it");
  });

  test("an invitation is accepted by somebody new, whom the list then shows", async () => {
    await signIn(browser, hub.url, owner);
    await browser.go(`${hub.url}/organization`);
    await browser.press("Invite");
    await browser.fill("E-mail", "mary@example.com");
    expect(await browser.run("document.querySelector('dialog select').value")).toBe("viewer");
    await browser.press("Create invitation");
    const link = await browser.see("dialog .copyable pre", "/invite/");
    await browser.press("Done");
    await browser.see(".list .name", "mary@example.com");

    // the same hub under another name: cookies of their own, so that both people are signed in at once
    await using second = await openBrowser({ beside: true });
    await second.go(link.replace("127.0.0.1", "localhost"));
    await second.see("h1", "Join Default");
    await second.fill("Your name", "Mary");
    await second.fill("Password", password);
    await second.press("Join");
    await second.see(".bar nav", "Servers");
    await second.press("Account of Mary");
    await second.see(".menu .list", "viewer of Default");
    expect(second.complaints).toEqual([]);

    await browser.go(`${hub.url}/organization`);
    await browser.see(".list .name", "Mary");
    await browser.press("Remove mary@example.com");
    await browser.press("Remove");
    await browser.gone(".list .name", "Mary");
    await second.go(`${hub.url.replace("127.0.0.1", "localhost")}/`);
    await second.see("h1", "Sign in");
  });

  test("somebody with an account joins another organization, and goes from one to the other", async () => {
    const other = await hub.otherOrganizationAdmin();
    await signIn(browser, hub.url, owner);
    await browser.go(`${hub.url}/organization`);
    await browser.press("Invite");
    await browser.fill("E-mail", other.email);
    await browser.choose("Role", "admin");
    await browser.press("Create invitation");
    const link = await browser.see("dialog .copyable pre", "/invite/");

    await browser.go(link);
    await browser.see(".card p", `You are signed in as ${owner}, which is another account`);
    await browser.press("Sign out");
    await browser.see("h1", "Sign in");
    await browser.go(link);
    await browser.press("Sign in to join");
    await browser.fill("E-mail", other.email);
    await browser.fill("Password", password);
    await browser.press("Sign in");
    await browser.press("Join");
    await browser.see(".switcher option", "Default");
    await browser.go(`${hub.url}/organization`);
    await browser.see("h1", "Default");
    const options = "[...document.querySelector('.switcher').options]";
    const before = await browser.run<string>(`${options}.find((one) => one.textContent !== "Default").textContent`);
    const value = await browser.run<string>(`${options}.find((one) => one.textContent !== "Default").value`);
    await browser.choose("Organization", value);
    await browser.see(".welcome h2", "Add your first server");
    await browser.go(`${hub.url}/organization`);
    await browser.see("h1", before);
  });

  test("a device is let in by its code, and another is turned away", async () => {
    const device = createClient(hub.url);
    const ask = async (hostname: string) =>
      (await (
        await device.send("POST", "/api/auth/device/code", { hostname, purpose: "setup-server" })
      ).json()) as DeviceCode;
    const redeem = ({ device_code }: DeviceCode) =>
      device.send("POST", "/api/auth/device/token", {
        grant_type: "urn:ietf:params:oauth:grant-type:device_code",
        device_code,
      });
    const wanted = await ask("web-7.internal");
    await browser.go(`${hub.url}/device?code=${wanted.user_code}`);
    await browser.fill("E-mail", owner);
    await browser.fill("Password", password);
    await browser.press("Sign in");
    await browser.see(".card p", "web-7.internal asks to register itself as a server");
    await browser.see(".facts dd", wanted.user_code);
    await browser.see(".facts dd", "127.0.0.1");
    await browser.press("Approve");
    await browser.see(".notice.good", "web-7.internal is let in");
    expect((await redeem(wanted)).status).toBe(200);

    const refused = await ask("stranger");
    await browser.go(`${hub.url}/device`);
    await browser.fill("Code", refused.user_code.toLowerCase().replace("-", " "));
    await browser.press("Continue");
    await browser.press("Deny");
    await browser.see(".notice.warn", "stranger was turned away");
    expect(await (await redeem(refused)).json()).toMatchObject({ error: "access_denied" });

    await browser.go(`${hub.url}/device?code=BCDF-GHJK`);
    await browser.see("[role=alert]", "Nothing waits under the code BCDF-GHJK");
  });

  test("a session that ends elsewhere leads to signing in", async () => {
    await signIn(browser, hub.url, owner);
    // by a request that is refused
    await browser.go(`${hub.url}/projects`);
    await browser.see(".list .name", "default");
    await browser.forget();
    await browser.press("Organization");
    await browser.see("h1", "Sign in");
    expect(await browser.place()).toBe("/login?next=%2Forganization");
    // by a stream that is
    await signIn(browser, hub.url, owner);
    await browser.see(".connection", "Live");
    const everywhere = await browser.run<number>(
      "fetch('/api/auth/sign-out-everywhere', { method: 'POST' }).then((answer) => answer.status)",
    );
    expect(everywhere).toBe(204);
    await browser.see("h1", "Sign in");
  });

  test("too many attempts are told with the seconds to wait", async () => {
    await browser.go(`${hub.url}/login`);
    for (let i = 0; i < 12; i++) {
      await browser.fill("E-mail", "nobody@example.com");
      await browser.fill("Password", `wrong ${i}`);
      if (!(await browser.offers("Sign in"))) break;
      await browser.press("Sign in");
      await browser.see("[role=alert]");
      if ((await browser.texts("[role=alert]")).join().includes("Too many attempts")) break;
    }
    expect(await browser.see("[role=alert]", "Too many attempts")).toMatch(/Try again in \d+ s\./);
    expect(await browser.run("document.querySelector('button[type=submit]').disabled")).toBe(true);
  });
});
