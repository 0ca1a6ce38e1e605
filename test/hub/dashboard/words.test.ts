import fc from "fast-check";
import { describe, expect, test } from "bun:test";

import { address, sentenceOf } from "#src/hub/dashboard/client.ts";
import { agentCommand, agentConfig, cloudInit, curlLogs, setupServerCommand } from "#src/hub/dashboard/commands.ts";
import { agentName, moment } from "#src/hub/dashboard/format.ts";
import { userCodeOf } from "#src/hub/dashboard/pages/device-code.ts";

describe("what a device shows", () => {
  for (const typed of ["WDJB-MJHT", "wdjbmjht", " wdjb mjht ", "WDJB–MJHT"]) {
    test(`${typed} is the code WDJB-MJHT`, () => expect(userCodeOf(typed)).toBe("WDJB-MJHT"));
  }
});

describe("programs that are signed in", () => {
  for (const [agent, name] of [
    ["Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox on Linux"],
    [
      "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/17.4 Safari/605.1.15",
      "Safari on macOS",
    ],
    ["Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/126.0 Safari/537.36 Edg/126.0", "Edge on Windows"],
    ["Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/126.0 Mobile Safari/537.36", "Chrome on Android"],
    ["orion/0.1.0", "orion/0.1.0"],
    [null, "Unknown program"],
  ] as const) {
    test(name, () => expect(agentName(agent)).toBe(name));
  }
});

describe("moments", () => {
  const now = Date.parse("2026-06-15T12:00:00Z");
  for (const [at, text] of [
    ["2026-06-15T12:00:00.500Z", "just now"],
    ["2026-06-15T11:00:00Z", "1 h 0 min ago"],
    ["2026-06-16T12:00:00Z", "in 1 d 0 h"],
    ["2025-03-02T12:00:00Z", "2025-03-02"],
  ] as const) {
    test(`${at} is ${text}`, () => expect(moment(at, now)).toBe(text));
  }
});

describe("addresses", () => {
  test("hold their parts and what is asked, and nothing empty", () => {
    expect(address("/api/projects/:id/sources", { id: "a/b?" }, { limit: 5, cursor: null, q: "" })).toBe(
      "/api/projects/a%2Fb%3F/sources?limit=5",
    );
  });
});

test("a refusal is shown as a sentence", () => {
  expect(sentenceOf(new Error("there is no such thing"))).toBe("There is no such thing.");
  expect(sentenceOf(new Error("Done!"))).toBe("Done!");
  expect(sentenceOf("odd")).toBe("Something failed in this page. Load it again.");
});

describe("commands to paste", () => {
  const hub = "https://hub.example.com";
  test("name the hub and the token", () => {
    expect(setupServerCommand(hub, "oet_x")).toBe(
      "sudo orion setup --server --api-url https://hub.example.com --token oet_x --yes",
    );
    expect(Bun.YAML.parse(cloudInit(hub, "oet_x"))).toEqual({
      runcmd: [
        "curl -fsSL https://install.orion.dev | bash",
        "orion setup --server --api-url https://hub.example.com --token oet_x --yes",
      ],
    });
  });

  test("allow plain http where the hub has nothing else, and only there", () => {
    const plain = "http://10.0.0.5:8420";
    expect(setupServerCommand(plain, "oet_x")).toContain(" --insecure-http ");
    expect(agentCommand(plain, "id", "oat_x")).toContain("ORION_INSECURE_HTTP=true");
    expect(JSON.parse(agentConfig(plain, "id", "oat_x"))).toMatchObject({ insecureHttp: true });
    for (const other of [hub, "http://127.0.0.1:8420", "http://localhost:8420", "http://[::1]:8420"])
      expect(setupServerCommand(other, "oet_x") + agentCommand(other, "id", "t")).not.toMatch(/insecure/i);
  });

  test("show whatever hub there is", () => {
    fc.assert(fc.property(fc.webUrl(), (url) => expect(curlLogs(url, "t")).toContain(`${url}/api/logs`)));
  });
});
