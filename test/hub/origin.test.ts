import { describe, expect, test } from "bun:test";

import { originOf } from "#src/hub/origin.ts";
import { startHub } from "#test/hub/kit/hub.ts";

const host = (name: string, ...addresses: string[]) => ({ publicUrl: null, host: "0.0.0.0", name, addresses });

describe("links to the hub lead to", () => {
  for (const [what, { name, addresses, ...settings }, origin] of [
    [
      "publicUrl, whatever it listens on",
      { ...host("x", "192.0.2.1"), publicUrl: "https://hub.example//" },
      "https://hub.example",
    ],
    ["what it listens on, where that is an address", { ...host("x"), host: "192.0.2.9" }, "http://192.0.2.9:8420"],
    ["the host's whole name", host("Hub.Example.com", "192.0.2.1"), "http://hub.example.com:8420"],
    [
      "its first address, where its name is of this machine only",
      host("hub", "192.0.2.1", "192.0.2.2"),
      "http://192.0.2.1:8420",
    ],
    [
      "an address, where its name means nothing elsewhere",
      host("hub.localdomain", "192.0.2.1"),
      "http://192.0.2.1:8420",
    ],
    ["an IPv4 address before others", host("hub", "fd00::1", "192.0.2.1"), "http://192.0.2.1:8420"],
    ["an IPv6 address in brackets", host("hub", "fe80::1", "169.254.3.4", "fd00::1"), "http://[fd00::1]:8420"],
    ["its name, where it has no address", host("hub"), "http://hub:8420"],
    ["nothing odd", host("my hub"), "http://localhost:8420"],
    ["the same under IPv6", { ...host("hub", "192.0.2.1"), host: "::" }, "http://192.0.2.1:8420"],
  ] as const) {
    test(what, () => {
      const shown = settings.host.includes(":") ? `[${settings.host}]` : settings.host;
      const found = originOf(settings, `http://${shown}:8420`, () => ({ name, addresses }));
      const told = settings.publicUrl !== null || settings.host.startsWith("192");
      expect(found).toEqual({ origin, guessed: !told });
    });
  }

  for (const address of ["0.0.0.0", "::"]) {
    test(`no ${address}, and publicUrl is asked for`, async () => {
      await using hub = await startHub({ untouched: true, settings: { host: address, insecureHttp: true } });
      const { link } = await hub.hub.operator.setupLink({});
      expect(link).toMatch(/^http:\/\/[^/]+\/setup#/);
      expect(new URL(link ?? "").hostname).not.toMatch(/^(?:0\.0\.0\.0|\[::\])$/);
      expect(hub.said.filter((line) => line.includes("/setup#"))).toEqual([
        `info nobody has an account yet; make the first owner at ${link}`,
      ]);
      expect(hub.said.some((line) => line.startsWith("warn") && line.includes("publicUrl"))).toBe(true);
    });
  }
});
