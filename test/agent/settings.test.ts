import { chmodSync, chownSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";

import { describe, expect, test } from "bun:test";

import { type Environment, type SettingsSource, openSettings } from "#src/agent/settings.ts";
import { Fault } from "#src/protocol/fault.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";

const isRoot = process.getuid?.() === 0;
const required = { ENDPOINT: "https://hub.example", AGENT_TOKEN: "oat_abc", SERVER_ID: "9f0c" };

function prefixed(prefix: string, values: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}_${name}`, value]));
}

function open(folder: Folder, env: Environment = {}): SettingsSource {
  mkdirSync(folder.at("etc"), { recursive: true, mode: 0o755 });
  return openSettings({ env, dir: folder.path, version: "1.2.3" });
}

function writeConfig(folder: Folder, content: unknown, mode = 0o600): void {
  mkdirSync(folder.at("etc"), { recursive: true, mode: 0o755 });
  // as programs should: a new file, renamed over the old one
  const text = typeof content === "string" ? content : JSON.stringify(content);
  writeFileSync(folder.at("etc", "config.json.new"), text);
  chmodSync(folder.at("etc", "config.json.new"), mode);
  renameSync(folder.at("etc", "config.json.new"), folder.at("etc", "config.json"));
}

describe("settings without anything", () => {
  test("are the defaults, and no hub", async () => {
    await using folder = temporaryFolder();
    const settings = open(folder);
    expect(settings.current()).toEqual({
      config: {
        heartbeatInterval: 30,
        logLevel: "info",
        logStream: true,
        procPath: "/proc",
        diskPath: "/",
        dockerSocket: "/var/run/docker.sock",
        containerLogs: { include: [], exclude: [] },
        buffer: { maxEntries: 10_000, maxBytes: 268_435_456 },
        keepOnRestart: false,
        insecureHttp: false,
      },
      connection: null,
      userAgent: "orion-agent/1.2.3",
    });
    expect(settings.problems()).toEqual([]);
  });
});

describe("the environment", () => {
  test("needs no file when the three required variables are set", async () => {
    await using folder = temporaryFolder();
    const settings = open(folder, prefixed("ORION", required));
    expect(settings.current().connection).toEqual({
      apiUrl: "https://hub.example",
      token: "oat_abc",
      serverId: "9f0c",
    });
    expect(settings.problems()).toEqual([]);
  });

  test("is read with the prefix OCORE_ too, and then the agent calls itself ocore-agent", async () => {
    await using folder = temporaryFolder();
    const settings = open(folder, prefixed("OCORE", { ...required, PUSH_INTERVAL: "15" }));
    expect(settings.current().userAgent).toBe("ocore-agent/1.2.3");
    expect(settings.current().config.heartbeatInterval).toBe(15);
    expect(settings.current().connection?.token).toBe("oat_abc");
  });

  test("lets ORION_ win over OCORE_", async () => {
    await using folder = temporaryFolder();
    const settings = open(folder, {
      ...prefixed("OCORE", { ...required, LOG_LEVEL: "debug" }),
      ...prefixed("ORION", { AGENT_TOKEN: "oat_new", LOG_LEVEL: "error" }),
    });
    expect(settings.current().connection?.token).toBe("oat_new");
    expect(settings.current().config.logLevel).toBe("error");
    expect(settings.current().userAgent).toBe("orion-agent/1.2.3");
  });

  test("wins over the file, variable by variable", async () => {
    await using folder = temporaryFolder();
    writeConfig(folder, { apiUrl: "https://file", token: "oat_file", serverId: "f", heartbeatInterval: 60 });
    const settings = open(folder, { ORION_PUSH_INTERVAL: "10", ORION_ENDPOINT: "https://env:8420///" });
    expect(settings.current().connection).toEqual({ apiUrl: "https://env:8420", token: "oat_file", serverId: "f" });
    expect(settings.current().config.heartbeatInterval).toBe(10);
  });

  test("counts an empty variable as unset", async () => {
    await using folder = temporaryFolder();
    writeConfig(folder, { heartbeatInterval: 60 });
    const settings = open(folder, { ORION_PUSH_INTERVAL: "", OCORE_PUSH_INTERVAL: "20" });
    expect(settings.current().config.heartbeatInterval).toBe(20);
  });

  const booleans: readonly (readonly [string, boolean])[] = [
    ["true", true],
    ["1", true],
    ["YES", true],
    ["on", true],
    ["false", false],
    ["0", false],
    ["No", false],
    ["off", false],
  ];
  for (const [text, value] of booleans) {
    test(`reads LOG_STREAM_ENABLED=${text} as ${value}`, async () => {
      await using folder = temporaryFolder();
      const settings = open(folder, { ORION_LOG_STREAM_ENABLED: text });
      expect(settings.current().config.logStream).toBe(value);
    });
  }

  const wrong: readonly (readonly [name: string, value: string, message: RegExp])[] = [
    ["ORION_PUSH_INTERVAL", "9", /ORION_PUSH_INTERVAL: must be between 10 and 300 seconds, not "9"/],
    ["OCORE_PUSH_INTERVAL", "301", /OCORE_PUSH_INTERVAL: must be between 10 and 300 seconds/],
    ["ORION_PUSH_INTERVAL", "30s", /ORION_PUSH_INTERVAL: must be a number, not "30s"/],
    ["ORION_PUSH_INTERVAL", "-30", /ORION_PUSH_INTERVAL/],
    ["ORION_PUSH_INTERVAL", "1e999", /ORION_PUSH_INTERVAL/],
    ["ORION_LOG_LEVEL", "loud", /ORION_LOG_LEVEL: must be one of debug, info, warn, error, not "loud"/],
    ["ORION_LOG_STREAM_ENABLED", "maybe", /ORION_LOG_STREAM_ENABLED: must be true or false, not "maybe"/],
    ["OCORE_ENDPOINT", "hub.example", /OCORE_ENDPOINT: must be an http:\/\/ or https:\/\/ URL/],
  ];
  for (const [name, value, message] of wrong) {
    test(`refuses ${name}=${value}, naming the variable`, async () => {
      await using folder = temporaryFolder();
      expect(() => open(folder, { [name]: value })).toThrow(message);
      expect(() => open(folder, { [name]: value })).toThrow(Fault);
    });
  }

  const plain: readonly (readonly [url: string, taken: boolean])[] = [
    ["http://localhost:8420", true],
    ["http://hub.localhost", true],
    ["http://127.0.0.1:8420", true],
    ["http://127.8.9.10/hub", true],
    ["http://[::1]:8420", true],
    ["http://hub.example", false],
    ["http://10.0.0.1:8420", false],
    ["http://localhost.example", false],
    ["http://127.0.0.1.example", false],
    ["http://127.0.0.1@hub.example", false],
    ["https://hub.example", true],
  ];
  for (const [url, taken] of plain) {
    test(`${taken ? "takes" : "refuses"} ${url}, since the token must not cross a network in the clear`, async () => {
      await using folder = temporaryFolder();
      const env = prefixed("ORION", { ...required, ENDPOINT: url });
      expect(open(folder, env).current().connection?.apiUrl).toBe(taken ? url : undefined);
      if (taken) return;
      expect(open(folder, env).problems()).toMatchObject([
        { what: "not connected to a hub", why: expect.stringContaining(`${url} is not encrypted`) },
      ]);
      const told = { ...env, OCORE_INSECURE_HTTP: "true" };
      expect(open(folder, told).current().connection?.apiUrl).toBe(url);
      writeConfig(folder, { insecureHttp: true });
      expect(open(folder, env).current().connection?.apiUrl).toBe(url);
    });
  }

  test("names what is missing for a connection", async () => {
    await using folder = temporaryFolder();
    const settings = open(folder, { ORION_ENDPOINT: "https://hub.example" });
    expect(settings.current().connection).toBeNull();
    expect(settings.problems()).toMatchObject([{ why: "token and serverId are not set" }]);
  });

  test("refuses a token that no header can carry, without showing it", async () => {
    await using folder = temporaryFolder();
    const settings = open(folder, prefixed("ORION", { ...required, AGENT_TOKEN: "oat_a\nX-Evil: 1" }));
    expect(settings.current().connection).toBeNull();
    expect(JSON.stringify(settings.problems())).toMatch(/token holds white space/);
    expect(JSON.stringify(settings.problems())).not.toContain("X-Evil");
  });
});

describe("the token file", () => {
  test("gives the token, and a new one without a restart", async () => {
    await using folder = temporaryFolder();
    writeFileSync(folder.at("token"), "oat_one\n");
    const { AGENT_TOKEN: _, ...others } = required;
    const settings = open(folder, { ...prefixed("OCORE", others), OCORE_AGENT_TOKEN_FILE: folder.at("token") });
    expect(settings.current().connection?.token).toBe("oat_one");
    expect(settings.refresh()).toBe(false);
    writeFileSync(folder.at("token"), "oat_two_longer\n");
    expect(settings.refresh()).toBe(true);
    expect(settings.current().connection?.token).toBe("oat_two_longer");
  });

  test("that is missing is a problem, not the end, and is picked up when it comes", async () => {
    await using folder = temporaryFolder();
    const { AGENT_TOKEN: _, ...others } = required;
    const settings = open(folder, { ...prefixed("ORION", others), ORION_AGENT_TOKEN_FILE: folder.at("token") });
    expect(settings.current().connection).toBeNull();
    expect(settings.problems()[0]).toMatchObject({ why: "there is no such file" });
    writeFileSync(folder.at("token"), "oat_late");
    settings.refresh();
    expect(settings.current().connection?.token).toBe("oat_late");
    expect(settings.problems()).toEqual([]);
  });

  test("keeps the last token while it is empty, as in the moment of a rewrite", async () => {
    await using folder = temporaryFolder();
    writeFileSync(folder.at("token"), "oat_one");
    const { AGENT_TOKEN: _, ...others } = required;
    const settings = open(folder, { ...prefixed("ORION", others), ORION_AGENT_TOKEN_FILE: folder.at("token") });
    writeFileSync(folder.at("token"), "");
    settings.refresh();
    expect(settings.current().connection?.token).toBe("oat_one");
  });

  test("is left alone when the token itself is given", async () => {
    await using folder = temporaryFolder();
    const env = { ...prefixed("ORION", required), ORION_AGENT_TOKEN_FILE: folder.at("none") };
    expect(open(folder, env).current().connection?.token).toBe("oat_abc");
  });
});

describe("config.json", () => {
  test("is followed: a new token is in force at the next look", async () => {
    await using folder = temporaryFolder();
    writeConfig(folder, { apiUrl: "https://hub", token: "oat_1", serverId: "s" });
    const settings = open(folder);
    expect(settings.refresh()).toBe(false);
    writeConfig(folder, { apiUrl: "https://hub", token: "oat_2", serverId: "s" });
    expect(settings.refresh()).toBe(true);
    expect(settings.current().connection?.token).toBe("oat_2");
  });

  test("that is torn leaves the last good settings in force and names the place", async () => {
    await using folder = temporaryFolder();
    writeConfig(folder, { apiUrl: "https://hub", token: "oat_1", serverId: "s", heartbeatInterval: 44 });
    const settings = open(folder);
    writeConfig(folder, '{\n  "apiUrl": "https://hub",\n  "tok');
    settings.refresh();
    expect(settings.current().connection?.token).toBe("oat_1");
    expect(settings.current().config.heartbeatInterval).toBe(44);
    const [problem] = settings.problems();
    expect(problem?.what).toContain(folder.at("etc", "config.json"));
    expect(problem?.why).toMatch(/^line 3, column 3: .*last good settings stay in force$/);
  });

  test("that is torn at the first start costs the settings in it, not the start", async () => {
    await using folder = temporaryFolder();
    writeConfig(folder, "{");
    const settings = open(folder);
    expect(settings.current().connection).toBeNull();
    expect(settings.problems()).toHaveLength(1);
    writeConfig(folder, { heartbeatInterval: 11 });
    settings.refresh();
    expect(settings.current().config.heartbeatInterval).toBe(11);
    expect(settings.problems()).toEqual([]);
  });

  test("keeps its valid settings when one is wrong", async () => {
    await using folder = temporaryFolder();
    writeConfig(folder, { heartbeatInterval: 5, logLevel: "debug", buffer: { maxEntries: 5 } });
    const settings = open(folder);
    expect(settings.current().config).toMatchObject({
      heartbeatInterval: 30,
      logLevel: "debug",
      buffer: { maxEntries: 10_000 },
    });
    expect(settings.problems().map(({ why }) => why)).toEqual([
      "heartbeatInterval: must be between 10 and 300 seconds; the default is used",
      "buffer.maxEntries: must be at least 100; the default is used",
    ]);
  });

  test("goes on with the last good value of a setting that becomes wrong", async () => {
    await using folder = temporaryFolder();
    writeConfig(folder, { heartbeatInterval: 44 });
    const settings = open(folder);
    writeConfig(folder, { heartbeatInterval: "soon" });
    settings.refresh();
    expect(settings.current().config.heartbeatInterval).toBe(44);
    expect(settings.problems()[0]?.why).toBe("heartbeatInterval: must be a number; the last good value is used");
  });

  test("may hold keys that are not known, which are kept and warned of", async () => {
    await using folder = temporaryFolder();
    writeConfig(folder, { heartbeatIntervall: 44, token: "x" });
    const settings = open(folder);
    expect(settings.current().config).toMatchObject({ heartbeatIntervall: 44 });
    expect(settings.problems()[0]?.why).toBe("no such setting: heartbeatIntervall");
  });

  for (const [name, content] of [
    ["an array", "[]"],
    ["null", "null"],
    ["a string", '"x"'],
  ] as const) {
    test(`that holds ${name} is named`, async () => {
      await using folder = temporaryFolder();
      writeConfig(folder, content);
      expect(open(folder).problems()[0]?.why).toMatch(/must hold a JSON object/);
    });
  }

  for (const mode of [0o620, 0o602, 0o666]) {
    test(`of mode ${mode.toString(8)} is refused, naming the chmod`, async () => {
      await using folder = temporaryFolder();
      writeConfig(folder, { token: "oat_evil", apiUrl: "https://evil", serverId: "s" }, mode);
      const settings = open(folder);
      expect(settings.current().connection).toBeNull();
      const [problem] = settings.problems();
      expect(problem?.why).toContain(`mode 0${mode.toString(8)}`);
      expect(problem?.todo).toBe(`chmod go-w ${folder.at("etc", "config.json")}`);
      chmodSync(folder.at("etc", "config.json"), 0o600);
      settings.refresh();
      expect(settings.current().connection?.token).toBe("oat_evil");
    });
  }

  test("in a folder that everybody may write is refused", async () => {
    await using folder = temporaryFolder();
    writeConfig(folder, { token: "x" });
    chmodSync(folder.at("etc"), 0o777);
    expect(open(folder).problems()[0]?.todo).toBe(`chmod o-w ${folder.at("etc")}`);
  });

  test.skipIf(!isRoot)("of another user is refused when root runs the agent", async () => {
    await using folder = temporaryFolder();
    writeConfig(folder, { token: "x" });
    chownSync(folder.at("etc", "config.json"), 65_534, 65_534);
    const [problem] = open(folder).problems();
    expect(problem?.why).toContain("user 65534 owns it");
    expect(problem?.todo).toBe(`chown 0 ${folder.at("etc", "config.json")}`);
  });

  test("that is a folder, a FIFO or a device is refused without waiting", async () => {
    await using folder = temporaryFolder();
    mkdirSync(folder.at("etc"), { mode: 0o755 });
    Bun.spawnSync(["mkfifo", "-m", "600", folder.at("etc", "config.json")]);
    expect(open(folder).problems()[0]?.why).toMatch(/not a regular file/);
    renameSync(folder.at("etc", "config.json"), folder.at("fifo"));
    symlinkSync("/dev/zero", folder.at("etc", "config.json"));
    expect(open(folder).problems()[0]?.why).toMatch(/not a regular file/);
  });
});
