// What a process is started with: its environment file, its account, its environment, its shell text.
import { expect, test } from "bun:test";
import fc from "fast-check";

import { findAccount } from "#src/agent/supervisor/account.ts";
import { parseEnvFile } from "#src/agent/supervisor/dotenv.ts";
import { environmentFor } from "#src/agent/supervisor/environment.ts";
import { shellText } from "#src/agent/supervisor/shell.ts";
import { temporaryFolder } from "#test/kit/folder.ts";

import { scriptOf } from "./rig.ts";

test("an environment file knows comments, export, quotes and values over several lines", () => {
  const text = [
    "\uFEFF# a comment",
    "",
    "PLAIN=value # not part of it",
    "HASH=a#b",
    "  export SPACED = with spaces inside  ",
    "EMPTY=",
    "COMMENTED= # nothing",
    "SINGLE='as $it \\n is # here' # comment",
    'DOUBLE="tab\\tquote\\" dollar\\$ back\\\\slash"',
    'LINES="first',
    'second"',
    "LAST=1",
    "LAST=2\r",
  ].join("\n");
  expect(parseEnvFile(text, "env")).toEqual({
    PLAIN: "value",
    HASH: "a#b",
    SPACED: "with spaces inside",
    EMPTY: "",
    COMMENTED: "",
    SINGLE: "as $it \\n is # here",
    DOUBLE: 'tab\tquote" dollar$ back\\slash',
    LINES: "first\nsecond",
    LAST: "2",
  });
});

const wrongFiles: readonly [name: string, text: string, message: string][] = [
  ["a line without a name", "A=1\njust words", "/e: line 2 is not NAME=value"],
  ["a name that is none", "1A=1", "/e: line 1 is not NAME=value"],
  ["a quote that is not closed", "A=1\nB='x\ny", "/e: line 2 has no closing '"],
  ["text after a quote", 'A="x"y', "/e: line 1 has text after the closing quote"],
];
for (const [name, text, message] of wrongFiles) {
  test(`an environment file with ${name} is refused with its line`, () => {
    expect(() => parseEnvFile(text, "/e")).toThrow(message);
  });
}

test("any value comes back from single quotes, any value at all from double quotes", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (value) => {
      const text = value.replaceAll("\0", "").replaceAll("\r", "");
      const escaped = text.replace(/[\\"$]/g, (char) => `\\${char}`);
      expect(parseEnvFile(`A="${escaped}"`, "e")["A"]).toBe(text);
      const single = text.replaceAll("'", "");
      expect(parseEnvFile(`A='${single}'`, "e")["A"]).toBe(single);
    }),
  );
  // making strings of all of Unicode takes seconds on a busy machine
}, 30_000);

const passwd = "root:x:0:0:root:/root:/bin/bash\nweb:x:1000:1001:Web,,,:/home/web:/bin/zsh\nbare:x:1002:1002::\n";
const group = "root:x:0:\ndocker:x:999:web,other\nweb:x:1001:web\nvideo:x:44:other,web\n";

test("an account has its supplementary groups without its primary one", () => {
  const web = { name: "web", uid: 1000, gid: 1001, home: "/home/web", shell: "/bin/zsh", groups: [999, 44] };
  expect(findAccount(passwd, group, "web")).toEqual(web);
  expect(findAccount(passwd, group, "1000")).toEqual(web);
});

test("an account with empty fields gets the usual ones, a number without an entry is one by itself", () => {
  expect(findAccount(passwd, group, "bare")).toMatchObject({ home: "/", shell: "/bin/sh", groups: [] });
  expect(findAccount(passwd, group, "4711")).toMatchObject({ uid: 4711, gid: 4711, home: "/" });
  expect(findAccount(passwd, group, "nobody-here")).toBeUndefined();
});

test("an environment is clean: base, inherited, file, own variables, marks, the later ones winning", async () => {
  await using folder = temporaryFolder();
  await Bun.write(folder.at("env"), "A=file\nB=file\nPATH=/file\nORION_RUN=forged");
  const web = findAccount(passwd, group, "web");
  if (web === undefined) throw new Error("no account");
  const script = scriptOf({ name: "api", command: "x", envFile: "env", env: { B: "own", ORION_SCRIPT: "forged" } });
  expect(environmentFor(script, web, "run-1", folder.path, { LANG: "de_DE.UTF-8" })).toEqual({
    PATH: "/file",
    LANG: "de_DE.UTF-8",
    HOME: "/home/web",
    USER: "web",
    LOGNAME: "web",
    SHELL: "/bin/zsh",
    A: "file",
    B: "own",
    ORION_SCRIPT: "api",
    ORION_RUN: "run-1",
  });
});

test("a single plain command replaces its shell", () => {
  const plain = ["node dist/index.js", "sleep 5", " ./run.sh --port=80 $MORE ", "/usr/bin/env"];
  expect(plain.map(shellText)).toEqual(plain.map((command) => `exec ${command.trim()}`));
});

test("everything else is the shell's as it was written", () => {
  const rest = [
    "a && b",
    "a; b",
    "a | b",
    "A=1 b",
    "cd /x",
    "exit 3",
    "exec a",
    "$CMD x",
    "a > f",
    "echo 'x'",
    "a\nb",
    "(a)",
    "! a",
    "",
  ];
  expect(rest.map(shellText)).toEqual(rest);
});
