import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";

import { startHub } from "#test/hub/kit/hub.ts";
import { temporaryFolder } from "#test/kit/folder.ts";

import { orion } from "../orion.ts";
import { answerInBrowser, inventory } from "../setup/rig.ts";
import { keys, sitDown } from "../typist.ts";

/** A hub that answers polls as it is told, one after the other; intervals are short. */
function scriptedHub(polls: readonly { readonly status: number; readonly body: object }[]) {
  const times: number[] = [];
  let token = "";
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname === "/api/auth/methods") return Response.json({ setup: false, oidc: null });
      if (pathname === "/api/auth/device/code") {
        return Response.json({
          device_code: "d",
          user_code: "ABCD-EFGH",
          verification_uri: "http://hub/device",
          verification_uri_complete: "http://hub/device?code=ABCD-EFGH",
          expires_in: 60,
          interval: 1,
        });
      }
      if (pathname === "/api/auth/device/token") {
        const poll = polls[times.length] ?? { status: 500, body: {} };
        times.push(performance.now());
        return Response.json(poll.body, { status: poll.status });
      }
      token = request.headers.get("authorization") ?? "";
      if (pathname === "/api/auth/session") {
        const organization = { id: "o", name: "Shop", role: "owner" };
        const person = { id: "p", email: "ada@example.com", name: "Ada", twoFactor: false };
        const expiresAt = "2030-01-01T00:00:00.000Z";
        return Response.json({ person, organization, organizations: [organization], expiresAt });
      }
      return new Response(null, { status: 204 });
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    /** milliseconds between two polls */
    gaps: () => times.slice(1).map((time, i) => time - (times[i] ?? 0)),
    polls: () => times.length,
    token: () => token,
    [Symbol.asyncDispose]: () => server.stop(true),
  };
}

const refused = (error: string) => ({
  status: 400,
  body: { type: "about:blank", title: "Bad request", status: 400, detail: `it is ${error}`, error },
});
const granted = { status: 200, body: { access_token: "session-token", token_type: "Bearer", expires_in: 60 } };

describe.concurrent("orion login", () => {
  test("by a browser: shows link and code, keeps the login for its owner alone, and says who is signed in", async () => {
    await using hub = await startHub();
    await using home = temporaryFolder("orion-home-");
    const env = { HOME: home.path };
    await using person = sitDown(["login", "--api-url", `${hub.url}/`], { env });
    await answerInBrowser(person, hub);
    await person.sees(`Signed in to ${hub.url} as owner@example.com, Default`);
    expect(await person.exited).toBe(0);
    const path = home.at(".config/orion/login.json");
    expect((statSync(path).mode & 0o777).toString(8)).toBe("600");
    expect(JSON.parse(readFileSync(path, "utf8"))).toEqual({
      url: hub.url,
      token: expect.any(String),
      kind: "person",
      email: "owner@example.com",
      organization: "Default",
    });

    const who = await orion(["whoami"], { env });
    expect(who.out).toStartWith(`owner@example.com, owner of Default, at ${hub.url} until `);
    expect((await inventory(hub)).otherSessions).toBe(1);
    const out = await orion(["logout"], { env });
    expect(out).toEqual({ code: 0, out: `Signed out of ${hub.url}\n`, err: "" });
    expect([existsSync(path), (await inventory(hub)).otherSessions]).toEqual([false, 0]);
    const nobody = await orion(["whoami"], { env });
    expect([nobody.code, nobody.err]).toEqual([
      4,
      expect.stringContaining("not signed in to a hub. Sign in: orion login"),
    ]);
  }, 40_000);

  test("Ctrl-C while it waits leaves no login and no session", async () => {
    await using hub = await startHub();
    await using home = temporaryFolder("orion-home-");
    await using person = sitDown(["login", "--api-url", hub.url], { env: { HOME: home.path } });
    await person.sees("Check that it shows the code");
    person.types(keys.ctrlC);
    expect(await person.exited).toBe(130);
    expect([existsSync(home.at(".config")), (await inventory(hub)).otherSessions]).toEqual([false, 0]);
  }, 40_000);

  test("polls no faster than it is told, and five seconds slower after slow_down (RFC 8628 section 3.5)", async () => {
    await using hub = scriptedHub([refused("authorization_pending"), refused("slow_down"), granted]);
    await using home = temporaryFolder("orion-home-");
    const run = await orion(["--dir", home.path, "login", "--api-url", hub.url]);
    expect([run.code, run.out]).toEqual([0, `Signed in to ${hub.url} as ada@example.com, Shop\n`]);
    expect(run.err).toContain("http://hub/device?code=ABCD-EFGH");
    const [first = 0, second = 0] = hub.gaps();
    expect(first).toBeGreaterThan(990);
    expect(second).toBeGreaterThan(5990);
    expect(hub.token()).toBe("Bearer session-token");
    expect(existsSync(home.at("login.json"))).toBe(true);
  }, 40_000);

  for (const [error, says] of [
    ["access_denied", "the sign-in was denied in the browser"],
    ["expired_token", "nobody approved the sign-in before its code expired"],
  ] as const) {
    test(`${error} ends it with 4`, async () => {
      await using hub = scriptedHub([refused("authorization_pending"), refused(error)]);
      await using home = temporaryFolder("orion-home-");
      const run = await orion(["--dir", home.path, "login", "--api-url", hub.url]);
      expect([run.code, run.out, hub.polls()]).toEqual([4, "", 2]);
      expect(run.err).toContain(says);
      expect(existsSync(home.at("login.json"))).toBe(false);
    }, 40_000);
  }

  test("a hub that can't answer for a moment is asked again, less often", async () => {
    await using hub = scriptedHub([{ status: 503, body: {} }, granted]);
    await using home = temporaryFolder("orion-home-");
    expect((await orion(["--dir", home.path, "login", "--api-url", hub.url])).code).toBe(0);
    expect(hub.gaps()[0]).toBeGreaterThan(1990);
  }, 40_000);

  test("with an API key from stdin; logout forgets it; one that is wrong is refused and not kept", async () => {
    await using hub = await startHub();
    await using home = temporaryFolder("orion-home-");
    const { token } = await hub.hub.operator.createKey({ name: "cli", scopes: ["view:servers"] });
    const login = ["--dir", home.path, "login", "--api-url", hub.url];
    const run = await orion([...login, "--token", "-"], { stdin: `${token}\n` });
    expect(run).toEqual({ code: 0, out: `Signed in to ${hub.url} with an API key\n`, err: "" });
    const who = await orion(["--dir", home.path, "whoami", "--json"]);
    expect(JSON.parse(who.out)).toMatchObject({ kind: "key", url: hub.url, hint: token.slice(0, 8) });
    const wrong = await orion([...login, "--token", "oak_wrong"]);
    expect([wrong.code, wrong.err]).toEqual([4, expect.stringContaining("Give a valid API key with --token")]);
    expect((await orion(["--dir", home.path, "whoami"])).code).toBe(0);
    const kind = await orion([...login, "--token", "ost_x"]);
    expect([kind.code, kind.err]).toEqual([
      2,
      "orion: that token is a source token. Give an API key: it begins with oak_\n",
    ]);
    expect((await orion(["--dir", home.path, "logout"])).out).toContain("forgotten");
    expect((await orion(["--dir", home.path, "whoami"])).code).toBe(4);
  }, 30_000);

  test("the environment goes before the file", async () => {
    await using hub = await startHub();
    await using home = temporaryFolder("orion-home-");
    const { token } = await hub.hub.operator.createKey({ name: "cli", scopes: ["view:servers"] });
    const env = { ORION_API_URL: hub.url, ORION_API_TOKEN: token, HOME: home.path };
    writeFileSync(home.at("login.json"), '{"url":"http://127.0.0.1:1","token":"x","kind":"key"}', { mode: 0o600 });
    expect((await orion(["--dir", home.path, "whoami"], { env })).out).toContain(
      `at ${hub.url} (from ORION_API_TOKEN)`,
    );
    const half = await orion(["whoami"], { env: { ORION_API_TOKEN: token, HOME: home.path } });
    expect([half.code, half.err]).toEqual([2, expect.stringContaining("Set ORION_API_URL")]);
  });

  test("a login file that others may write, or that is broken, is not used", async () => {
    await using home = temporaryFolder("orion-home-");
    writeFileSync(home.at("login.json"), '{"url":"http://127.0.0.1:1","token":"x","kind":"key"}');
    chmodSync(home.at("login.json"), 0o666);
    const open = await orion(["--dir", home.path, "whoami"]);
    expect([open.code, open.err]).toEqual([1, expect.stringContaining("group or others may write it (mode 0666)")]);
    writeFileSync(home.at("login.json"), "{\n");
    chmodSync(home.at("login.json"), 0o600);
    const broken = await orion(["--dir", home.path, "whoami"]);
    expect([broken.code, broken.err]).toEqual([1, expect.stringContaining("Sign in anew: orion login")]);
  });

  test("what answers and is no hub is told", async () => {
    const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("<html>") });
    await using _ = { [Symbol.asyncDispose]: () => server.stop(true) };
    await using home = temporaryFolder("orion-home-");
    const run = await orion([
      "--dir",
      home.path,
      "login",
      "--api-url",
      `http://127.0.0.1:${server.port}`,
      "--token",
      "oak_x",
    ]);
    expect([run.code, run.err]).toEqual([1, expect.stringContaining("Is it an Orion hub")]);
  });
});
