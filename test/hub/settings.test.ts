import { describe, expect, test } from "bun:test";

import { readHubSettings } from "#src/hub/settings.ts";
import { temporaryFolder } from "#test/kit/folder.ts";

const gibibyte = 1024 ** 3;

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
        publicUrl: null,
        heartbeatInterval: 30,
        retention: { logs: { days: 14, bytes: 10 * gibibyte } },
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
          publicUrl: "https://file.example",
          heartbeatInterval: 30,
          retention: { logs: { days: 3, bytes: gibibyte } },
        });
      },
    );
  });

  test("an empty variable counts as none", async () => {
    await inFolder(undefined, (dir) => expect(readHubSettings({}, { ORION_HUB_PORT: "" }, dir).port).toBe(8420));
  });

  for (const [name, file, env, flags, said] of [
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
