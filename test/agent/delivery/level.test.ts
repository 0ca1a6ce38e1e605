import { describe, expect, test } from "bun:test";

import { levelOf } from "#src/agent/delivery/level.ts";

/** As the encoder holds a line. */
const escaped = (line: string): string => JSON.stringify(line).slice(1, -1);

const table: Readonly<Record<string, readonly string[]>> = {
  debug: [
    "2026-05-01 10:00:00,123 DEBUG odoo.sql: select",
    "level=debug msg=x",
    '{"level":20,"msg":"pino"}',
    "[debug] cache miss",
    "<7>quiet",
    "debug: x",
    "TRACE x",
  ],
  info: [
    "plain words without any level",
    "10.0.0.1 - - [10/Oct/2000:13:55:36] GET /error HTTP/1.1 500",
    "0 errors, 0 warnings",
    "ERROR_COUNT=0",
    '{"level":"info","msg":"error in the text"}',
    '{"level":30}',
    "INFO no ERROR was found",
    "<6>noted",
    "level=unknown",
    "terror: a film",
    "",
    "I0522 10:00:00.123 klog",
    "2026-05-01T10:00:00Z errors: 0",
    "2026-05-01T10:00:00Z the error is gone",
  ],
  warn: [
    "[warn] disk",
    "2026-05-01 WARNING root: x",
    'time="…" level=warning msg="x"',
    '{"severity":"WARNING"}',
    "warning: unused variable",
    "W0522 10:00:00.123 klog",
    "<4>hm",
    '{"level":40}',
    "\u001b[33mWARN\u001b[0m yellow",
    "[2026-05-01T10:00:00Z WARN crate] rust",
  ],
  error: [
    "2026-05-01 10:00:00,123 8 ERROR db odoo.http: boom",
    "ERROR:root:boom",
    "[error] 123#0: nginx",
    'level="error" x',
    '{"time":"…","level":"error"}',
    '{"msg":"x","level":50}',
    '{"level" : "info"}'.replace(" :", ":").replace("info", "ERROR"),
    "TypeError: undefined is not a function",
    "java.lang.IllegalStateException: no",
    "Traceback (most recent call last):",
    "error: cannot open",
    "E0522 10:00:00.123 klog",
    "<3>bad",
    "\u001b[31m[ERROR]\u001b[39m coloured",
    "npm ERR! code 1",
    "E, [2026-05-01T10:00:00] ERROR -- : ruby",
    "2026-05-01T10:00:00.123Z error cannot connect",
    "2026/05/01 10:00:00  error: cannot connect",
  ],
  fatal: [
    "FATAL: password authentication failed",
    "panic: runtime error",
    '{"level":60}',
    "CRITICAL root x",
    "<0>dying",
    "[emerg] bind()",
    "level=fatal",
    "F0522 10:00:00.123 klog",
  ],
};

describe("the level of a line", () => {
  for (const [level, lines] of Object.entries(table)) {
    for (const line of lines) {
      test(`${JSON.stringify(line)} is ${level}`, () => {
        expect(levelOf(escaped(line), line.includes("\u001b"))).toBe(level as "info");
      });
    }
  }

  test("a level that stands far into a line is part of the text", () => {
    expect(levelOf(`${"x ".repeat(200)}ERROR`, false)).toBe("info");
  });
});
