import { describe, expect, test } from "bun:test";

import { readHubSettings } from "#src/hub/settings.ts";
import { temporaryFolder } from "#test/kit/folder.ts";

const gibibyte = 1024 ** 3;
const metrics = { rawDays: 7, fiveMinuteDays: 90, hourlyDays: 400 };
const defaults = {
  publicUrl: null,
  tlsCert: null,
  tlsKey: null,
  trustProxy: 0,
  insecureHttp: false,
  adminEmail: null,
  adminPasswordFile: null,
  databaseUrl: null,
  clickhouseUrl: null,
  clickhouseCluster: null,
  secretFile: null,
  oidc: null,
  minFreeBytes: null,
  redaction: { off: [], patterns: [] },
  rateLimits: {
    linesPerSecond: 50_000,
    burstLines: 200_000,
    bytesPerSecond: 32 * 1024 * 1024,
    burstBytes: 128 * 1024 * 1024,
  },
};

async function inFolder(file: string | undefined, use: (dir: string) => void): Promise<void> {
  await using folder = temporaryFolder();
  if (file !== undefined) await Bun.write(folder.at("etc", "hub.json"), file);
  use(folder.path);
}

describe("the hub's settings", () => {
  test("have defaults", async () => {
    await inFolder(undefined, (dir) => {
      expect(readHubSettings({}, {}, dir)).toEqual({
        port: 8420,
        host: "127.0.0.1",
        dataDir: `${dir}/data`,
        ...defaults,
        heartbeatInterval: 30,
        retention: { logs: { days: 14, bytes: 10 * gibibyte }, metrics },
      });
    });
  });

  test("come from hub.json, a variable wins over it, and a flag over both", async () => {
    await inFolder(
      '{ "port": 1000, "host": "::1", "publicUrl": "https://file.example", "retention": { "logs": { "days": 3 } } }',
      (dir) => {
        const env = {
          ORION_HUB_PORT: "2000",
          ORION_HUB_HOST: "localhost",
          ORION_HUB_RETENTION_LOGS_BYTES: String(gibibyte),
        };
        expect(readHubSettings({ port: "3000" }, env, dir)).toEqual({
          port: 3000,
          host: "localhost",
          dataDir: `${dir}/data`,
          ...defaults,
          publicUrl: "https://file.example",
          heartbeatInterval: 30,
          retention: { logs: { days: 3, bytes: gibibyte }, metrics },
        });
      },
    );
  });

  test("an empty variable counts as none", async () => {
    await inFolder(undefined, (dir) => expect(readHubSettings({}, { ORION_HUB_PORT: "" }, dir).port).toBe(8420));
  });

  for (const [text, trust] of [
    ["true", 1],
    ["false", 0],
    ["2", 2],
    ["10.0.0.0/8, ::1", ["10.0.0.0/8", "::1"]],
    ["192.0.2.1 fd00::/8", ["192.0.2.1", "fd00::/8"]],
  ] as const) {
    test(`trustProxy ${text} is the same as a variable, a flag and in the file`, async () => {
      await inFolder(undefined, (dir) => {
        expect(readHubSettings({}, { ORION_HUB_TRUST_PROXY: text }, dir)).toMatchObject({ trustProxy: trust });
        expect(readHubSettings({ trustProxy: text }, {}, dir)).toMatchObject({ trustProxy: trust });
      });
      await inFolder(JSON.stringify({ trustProxy: trust }), (dir) =>
        expect(readHubSettings({}, {}, dir)).toMatchObject({ trustProxy: trust }),
      );
    });
  }

  test("a provider of sign-in comes from the file or from variables", async () => {
    const oidc = { issuer: "https://id.example.com", clientId: "orion", clientSecretFile: "/etc/orion/oidc-secret" };
    const filled = {
      ...oidc,
      name: "Single sign-on",
      scopes: ["openid", "email", "profile"],
      allowedDomains: ["example.com", "example.org"],
      defaultRole: "viewer" as const,
    };
    const file = { oidc: { ...oidc, allowedDomains: filled.allowedDomains, defaultRole: "viewer" } };
    await inFolder(JSON.stringify(file), (dir) => expect(readHubSettings({}, {}, dir).oidc).toEqual(filled));
    const env = {
      ORION_HUB_OIDC_ISSUER: oidc.issuer,
      ORION_HUB_OIDC_CLIENT_ID: oidc.clientId,
      ORION_HUB_OIDC_CLIENT_SECRET_FILE: oidc.clientSecretFile,
      ORION_HUB_OIDC_ALLOWED_DOMAINS: "example.com, example.org",
      ORION_HUB_OIDC_DEFAULT_ROLE: "viewer",
    };
    await inFolder(undefined, (dir) => expect(readHubSettings({}, env, dir).oidc).toEqual(filled));
  });

  test("how fast a source may log is set part by part", async () => {
    await inFolder('{ "rateLimits": { "linesPerSecond": 10, "burstLines": 30 } }', (dir) => {
      const env = { ORION_HUB_RATE_LIMITS_BURST_LINES: "40" };
      const { rateLimits } = readHubSettings({}, env, dir);
      expect(rateLimits).toEqual({ ...defaults.rateLimits, linesPerSecond: 10, burstLines: 40 });
    });
  });

  for (const [name, file, env, flags, said] of [
    [
      "a rate of nothing",
      '{ "rateLimits": { "linesPerSecond": 0 } }',
      {},
      {},
      /rateLimits\.linesPerSecond: .*hub\.json/,
    ],
    ["a rate of what does not exist", '{ "rateLimits": { "lines": 1 } }', {}, {}, /rateLimits: .*lines.*hub\.json/],
    ["a proxy that has no address", undefined, {}, { trustProxy: "proxy.local" }, /trustProxy\.0: .*--trust-proxy/],
    ["a block that is too narrow", undefined, {}, { trustProxy: "10.0.0.0/33" }, /trustProxy\.0: .*--trust-proxy/],
    ["more proxies than anybody has", '{ "trustProxy": 11 }', {}, {}, /trustProxy: .*hub\.json/],
    ["a certificate without its key", undefined, {}, { tlsCert: "a.crt" }, /tlsCert is set, but tlsKey is not/],
    [
      "an owner without a password",
      undefined,
      { ORION_HUB_ADMIN_EMAIL: "a@example.com" },
      {},
      /adminEmail is set, but adminPasswordFile is not/,
    ],
    [
      "an owner without an address",
      undefined,
      { ORION_HUB_ADMIN_EMAIL: "me" },
      {},
      /adminEmail: .*ORION_HUB_ADMIN_EMAIL/,
    ],
    [
      "neither yes nor no",
      undefined,
      { ORION_HUB_INSECURE_HTTP: "perhaps" },
      {},
      /insecureHttp: must be true or false.*ORION_HUB_INSECURE_HTTP/,
    ],
    ["half a provider", undefined, { ORION_HUB_OIDC_ISSUER: "https://id.example.com" }, {}, /oidc\.clientId: /],
    ["a port beyond all ports", undefined, { ORION_HUB_PORT: "70000" }, {}, /port: .* It was read from ORION_HUB_PORT/],
    ["a port that is no number", undefined, {}, { port: "http" }, /port: .* It was read from --port/],
    [
      "a public URL without a scheme",
      undefined,
      {},
      { publicUrl: "example.com" },
      /publicUrl: must be an http.*--public-url/,
    ],
    [
      "no days at all",
      undefined,
      { ORION_HUB_RETENTION_LOGS_DAYS: "0" },
      {},
      /retention\.logs\.days: .*ORION_HUB_RETENTION_LOGS_DAYS/,
    ],
    ["a setting that does not exist", '{ "prot": 1 }', {}, {}, /prot.*hub\.json/],
    ["a file that is no JSON", '{ "port": }', {}, {}, /hub\.json is not JSON/],
    ["a file that holds a list", "[]", {}, {}, /hub\.json must hold one JSON object/],
  ] as const) {
    test(`${name}: an error that names it and where it was read`, async () => {
      await inFolder(file, (dir) => {
        let message = "";
        try {
          readHubSettings(flags, env, dir);
        } catch (error) {
          message = error instanceof Error && "oneLine" in error ? String(error.oneLine) : String(error);
        }
        expect(message).toMatch(said);
      });
    });
  }
});
