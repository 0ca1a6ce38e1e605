import { copyFileSync, writeFileSync } from "node:fs";

import { afterAll, describe, expect, test } from "bun:test";

import { createClient } from "#src/agent/delivery/client.ts";
import { temporaryFolder } from "#test/kit/folder.ts";

import { type Certificate, createAuthority } from "./authority.ts";

const ours = createAuthority();
const theirs = createAuthority();
afterAll(async () => {
  await ours[Symbol.asyncDispose]();
  await theirs[Symbol.asyncDispose]();
});

function startHub({ cert, key }: Certificate) {
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    tls: { cert: Bun.file(cert), key: Bun.file(key) },
    fetch: () => Response.json({}),
  });
  const { port } = server;
  return { port, [Symbol.asyncDispose]: () => server.stop(true) };
}

const send = (port: number | undefined, caFile?: string) =>
  createClient("orion-agent/0")(
    { apiUrl: `https://localhost:${port}`, token: "t", serverId: "s", ...(caFile && { caFile }) },
    { path: "/", body: "", headers: {} },
  );

describe("a hub with a certificate of a private authority", () => {
  test("is spoken to when caFile names that authority", async () => {
    await using hub = startHub(ours.sign("DNS:localhost"));
    expect(await send(hub.port, ours.caFile)).toMatchObject({ kind: "ok" });
  });

  const wrong: readonly (readonly [
    name: string,
    certificate: () => Certificate,
    caFile: () => string | undefined,
    why: RegExp,
  ])[] = [
    [
      "without caFile",
      () => ours.sign("DNS:localhost"),
      () => undefined,
      /of localhost:\d+ is from an authority that this host does not know: name its PEM file in caFile/,
    ],
    [
      "with another authority in caFile",
      () => ours.sign("DNS:localhost"),
      () => theirs.caFile,
      /is not from the authority in .*ca\.pem: put the one that signed it there/,
    ],
    [
      "whose certificate has expired",
      () => ours.sign("DNS:localhost", "20200101000000Z", "20210101000000Z"),
      () => ours.caFile,
      /of localhost:\d+ has expired: renew it/,
    ],
    [
      "whose certificate is of the future",
      () => ours.sign("DNS:localhost", "20980101000000Z"),
      () => ours.caFile,
      /is not valid yet: is this host's clock right/,
    ],
    [
      "whose certificate is for another name",
      () => ours.sign("DNS:other.example"),
      () => ours.caFile,
      /is not for localhost:\d+: use the name in apiUrl that it was made for/,
    ],
  ];
  for (const [name, certificate, caFile, why] of wrong) {
    test(`is not told the token ${name}, and the reason says what to do`, async () => {
      await using hub = startHub(certificate());
      expect(await send(hub.port, caFile())).toEqual({ kind: "later", reason: expect.stringMatching(why) });
    });
  }

  test("is spoken to as soon as caFile has been put right", async () => {
    await using folder = temporaryFolder();
    await using hub = startHub(ours.sign("DNS:localhost"));
    const caFile = folder.at("ca.pem");
    const client = createClient("orion-agent/0");
    const post = () =>
      client(
        { apiUrl: `https://localhost:${hub.port}`, token: "t", serverId: "s", caFile },
        { path: "/", body: "", headers: {} },
      );
    expect(await post()).toMatchObject({ reason: expect.stringMatching(/caFile .* can't be read: ENOENT/) });
    writeFileSync(caFile, "nothing of the kind");
    expect(await post()).toMatchObject({
      reason: expect.stringMatching(/holds no certificate: it must be a PEM file/),
    });
    copyFileSync(theirs.caFile, caFile);
    expect(await post()).toMatchObject({ reason: expect.stringMatching(/not from the authority/) });
    copyFileSync(ours.caFile, caFile);
    expect(await post()).toMatchObject({ kind: "ok" });
    copyFileSync(theirs.caFile, caFile);
    expect(await post()).toMatchObject({ kind: "later" });
  });

  test("that speaks no TLS on its port is told apart", async () => {
    const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("plain") });
    await using _stop = { [Symbol.asyncDispose]: () => server.stop(true) };
    expect(await send(server.port)).toMatchObject({ reason: expect.stringMatching(/does the hub speak TLS/) });
  });
});
