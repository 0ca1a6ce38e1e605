import { describe, expect, test } from "bun:test";

import manifest from "../../package.json" with { type: "json" };
import { orion } from "./orion.ts";

describe("a line that was typed wrong ends with 2 and one line that helps", () => {
  const rows: readonly [readonly string[], string][] = [
    [["staus"], 'orion: there is no command "staus". Did you mean orion status? See orion --help\n'],
    [["xyzzy"], 'orion: there is no command "xyzzy". See orion --help\n'],
    [
      ["script", "strat", "a"],
      'orion: script has no command "strat". Did you mean orion script start? See orion script --help\n',
    ],
    [
      ["script"],
      "orion: script needs a command. One of: list, show, start, stop, restart, add, remove; see orion script --help\n",
    ],
    [["--frobnicate"], "orion: there is no flag --frobnicate. See orion --help\n"],
    [
      ["status", "--wach"],
      "orion: status has no flag --wach. Did you mean --watch? A word that begins with a dash goes after --; see orion status --help\n",
    ],
    [["status", "extra"], 'orion: status does not take "extra". See orion status --help\n'],
    [["log"], "orion: log needs <level>. See orion log --help\n"],
    [["log", "info"], "orion: log needs <message>. See orion log --help\n"],
    [
      ["log", "warning", "x"],
      'orion: "warning" is no level. Did you mean warn? Levels: debug, info, warn, error, fatal\n',
    ],
    [["log", "info", "x", "--source"], "orion: --source needs a value. Write --source=VALUE; see orion log --help\n"],
    [["log", "info", "x", "--field", "=v"], 'orion: "=v" is no field. Write --field NAME=VALUE\n'],
    [["logs", "-n", "many"], 'orion: -n can\'t be "many". Give a whole number from 0 to 10000\n'],
    [["logs", "--level", "loud"], 'orion: --level can\'t be "loud". Use one of: debug, info, warn, error, fatal\n'],
    [
      ["logs", "--since", "yesterday"],
      'orion: "yesterday" is no time. Write 30s, 10m, 1h, 2d, or 2026-01-31T14:00:00Z\n',
    ],
    [["logs", "--since", "--json"], "orion: --since needs a value. Write --since=VALUE; see orion logs --help\n"],
    [["status", "--dir"], "orion: --dir needs a folder. Write --dir FOLDER\n"],
    [["script", "start"], "orion: script start needs a script's name. Or --all for every script\n"],
    [
      ["script", "stop", "a", "--all"],
      "orion: --all and names exclude each other. Write one of them; see orion script stop --help\n",
    ],
    [["script", "add", "a", "b", "--env", "9=x"], 'orion: --env can\'t be "9=x". Write --env NAME=VALUE\n'],
    [
      ["script", "add", "a", "b", "--memory-max", "lots"],
      'orion: --memory-max can\'t be "lots". Give bytes, or a size such as 512M or 2G\n',
    ],
    [
      ["script", "add", "a", "b", "--no-cwd"],
      "orion: script add has no flag --no-cwd. A word that begins with a dash goes after --; see orion script add --help\n",
    ],
    [["completion", "tcsh"], 'orion: "tcsh" is no shell that is known. One of: bash, zsh, fish\n'],
    [["status", "--interval", "0"], 'orion: --interval can\'t be "0". Give seconds, from 0.2 to 3600\n'],
  ];
  for (const [words, line] of rows) {
    test(`orion ${words.join(" ")}`, async () => {
      expect(await orion(words)).toEqual({ code: 2, out: "", err: line });
    });
  }
});

describe("help", () => {
  test("is what orion alone, --help, -h and help print, and ends with 0", async () => {
    const runs = await Promise.all([[], ["--help"], ["-h"], ["help"]].map((words) => orion(words)));
    for (const run of runs) expect(run).toEqual({ code: 0, out: runs[0]?.out ?? "", err: "" });
    expect(runs[0]?.out).toContain("  log <level> <message...>");
    expect(runs[0]?.out).toContain("  script restart <name>|--all");
  });

  test("of a command is printed wherever --help stands", async () => {
    const runs = await Promise.all(
      [
        ["script", "add", "--help"],
        ["script", "--help", "add"],
        ["--help", "script", "add"],
        ["help", "script", "add"],
      ].map((words) => orion(words)),
    );
    for (const run of runs) expect(run).toEqual({ code: 0, out: runs[0]?.out ?? "", err: "" });
    expect(runs[0]?.out).toStartWith(
      "orion script add: register a script\n\nUsage: orion script add <name> <command...> [flags]\n",
    );
    expect(runs[0]?.out).toContain("--no-auto-restart");
  });

  test("of a group lists its commands", async () => {
    expect((await orion(["script", "--help"])).out).toContain("  remove <name>");
  });

  test("of a command that is not there ends with 2", async () => {
    expect((await orion(["help", "nothing"])).code).toBe(2);
  });

  test("has no line longer than a terminal is wide", async () => {
    const { out } = await orion(["--help"]);
    expect(out.split("\n").filter((line) => line.length > 112)).toEqual([]);
  });
});

test("--version prints the version and nothing else", async () => {
  expect(await orion(["--version"])).toEqual({ code: 0, out: `${manifest.version}\n`, err: "" });
  expect(JSON.parse((await orion(["--version", "--json"])).out)).toEqual({ version: manifest.version });
});
