/**
 * The way from a new hub to a server that reports, as people go it: the compiled binary, a hub with a certificate of an
 * authority of one's own, a real terminal, and the approval clicked in a real browser.
 */
import { describe, expect, test } from "bun:test";

import { type Typist, keys, sitDown } from "#test/cli/typist.ts";
import { chromium, openBrowser } from "#test/hub/dashboard/browser.ts";
import { createAuthority } from "#test/hub/kit/certificate.ts";
import { password } from "#test/hub/kit/people.ts";
import { orionBinary } from "#test/kit/binary.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { startProgram } from "#test/kit/program.ts";
import { until } from "#test/kit/wait.ts";

import { orion } from "./kit/orion.ts";

const email = "ada@example.com";
const missing = chromium === undefined ? "needs Chromium" : Bun.which("openssl") === null ? "needs openssl" : undefined;

/** `orion hub` with TLS and an owner, made on its own machine while it runs. */
async function startHubWithTls() {
  const folder = temporaryFolder("orion-setup-");
  const authority = createAuthority(folder.path);
  const [cert, key] = [folder.at("hub.crt"), folder.at("hub.key")];
  authority.issue("localhost", { cert, key });
  const dir = folder.at("hub");
  const words = ["hub", "--dir", dir, "--port", "0", "--tls-cert", cert, "--tls-key", key, "--json"];
  const program = startProgram([await orionBinary(), ...words]);
  const line = await until(() => {
    if (/^orion: /m.test(program.output())) throw new Error(program.output());
    return /^\{.*\}$/m.exec(program.output())?.[0];
  }, "the hub's address");
  const { port } = JSON.parse(line) as { port: number };
  await Bun.write(folder.at("password"), `${password}\n`);
  const create = ["hub", "admin", "create", "--email", email, "--password-file", folder.at("password")];
  const owner = await orion(["--dir", dir, ...create]);
  if (owner.code !== 0) throw new Error(owner.stderr);
  return {
    url: `https://localhost:${port}`,
    dir,
    ca: authority.ca,
    folder,
    output: () => program.output(),
    async [Symbol.asyncDispose]() {
      await program[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** What a person does who is told to open a link: signs in, compares the code, approves. */
async function approveInBrowser(person: Typist): Promise<void> {
  await person.sees("/device?code=");
  const link = /https:\/\/\S+\/device\?code=\S+/.exec(person.screen())?.[0] ?? "";
  const [, code = ""] = /shows the code {2}(\S+)/.exec(await person.sees("shows the code")) ?? [];
  await using browser = await openBrowser();
  await browser.view.cdp("Security.setIgnoreCertificateErrors", { ignore: true });
  await browser.go(link);
  await browser.fill("E-mail", email);
  await browser.fill("Password", password);
  await browser.press("Sign in");
  await browser.see("code.big", code);
  await browser.see("main", "register itself as a server");
  await browser.press("Approve");
  await browser.see("main", "is let in");
}

describe.skipIf(missing !== undefined)(`setup end to end${missing === undefined ? "" : ` (${missing})`}`, () => {
  test("a server is set up at a terminal, approved in the browser, and reports over TLS", async () => {
    await using hub = await startHubWithTls();
    const program = [await orionBinary()];
    const host = hub.folder.at("host");
    expect(hub.output()).toMatch(/\/setup#/);

    await using person = sitDown(["--dir", host, "setup", "--server"], { program });
    await person.sees("Address of the hub");
    person.types(`${hub.url}${keys.enter}`);
    await person.sees("certificate (PEM)");
    person.types(`${hub.ca}${keys.enter}`);
    await person.sees("How do you sign in");
    person.types(keys.enter);
    await approveInBrowser(person);
    await person.sees("Project");
    person.types(keys.enter);
    await person.sees("Name of this server");
    person.types(keys.enter);
    await person.sees("is registered at");
    expect(await person.exited).toBe(0);
    expect(await Bun.file(`${host}/etc/config.json`).json()).toMatchObject({ apiUrl: hub.url, caFile: hub.ca });

    await using agent = startProgram([...program, "--dir", host, "agent"]);
    const key = await orion(["--dir", hub.dir, "hub", "token", "key", "--scope", "view:servers"]);
    const env = { ORION_API_URL: hub.url, ORION_API_TOKEN: key.stdout.trim(), ORION_CA_FILE: hub.ca };
    const list = async () => {
      const { code, stdout, stderr } = await orion(["server", "list", "--json"], { env });
      if (code !== 0) throw new Error(stderr);
      return (JSON.parse(stdout) as { servers: { agent: { status: string } }[] }).servers;
    };
    await until(async () => (await list())[0]?.agent.status === "connected", "the first heartbeat");
    expect(await list()).toHaveLength(1);

    const unknown = await orion(["server", "list"], { env: { ...env, ORION_CA_FILE: "" } });
    expect([unknown.code, unknown.stderr]).toEqual([5, expect.stringContaining("--ca-file FILE")]);
    agent.kill("SIGTERM");
    expect(await agent.exited).toBe(0);
  }, 90_000);

  test("Ctrl-C while it waits for the browser leaves no session, no server and no file", async () => {
    await using hub = await startHubWithTls();
    const host = hub.folder.at("host");
    const words = ["--dir", host, "setup", "--server", "--api-url", hub.url, "--ca-file", hub.ca];
    await using person = sitDown(words, { program: [await orionBinary()] });
    await person.sees("How do you sign in");
    person.types(keys.enter);
    await person.sees("shows the code");
    person.types(keys.ctrlC);
    expect(await person.exited).toBe(130);
    expect(await Bun.file(`${host}/etc/config.json`).exists()).toBe(false);
  }, 60_000);
});
