/** `orion script add`: registers a script. What is not said is left to the daemon's defaults. */
import { isAbsolute, resolve } from "node:path";

import type { KillSignal, ScriptInput } from "#src/protocol/scripts.ts";

import { command } from "../../command.ts";
import { answerTimeoutMs, connectDaemon } from "../../daemon.ts";
import { exitCodes, usageFault } from "../../exit.ts";
import { print, printJson } from "../../output.ts";
import { parseBytes, parseWhole } from "../../values.ts";

const dayMs = 86_400_000;

export const add = command({
  args: {
    name: {
      type: "positional",
      required: true,
      valueHint: "name",
      description: "lowercase letters, digits and hyphens",
    },
    command: { type: "positional", required: true, valueHint: "words...", description: "run by sh -c" },
    cwd: { type: "string", valueHint: "folder", description: "where it runs (this folder)" },
    "auto-restart": { type: "boolean", default: true, description: "do not start it again after a crash" },
    capture: { type: "boolean", default: true, description: "leave its output alone: not read, not kept, not sent" },
    "max-restarts": { type: "string", valueHint: "N", description: "crashes in a row after which it is given up (5)" },
    "backoff-base": {
      type: "string",
      valueHint: "ms",
      description: "wait before the first restart, doubled each time (1000)",
    },
    user: { type: "string", valueHint: "user", description: "run as this user" },
    env: { type: "string", valueHint: "K=V...", description: "an environment variable" },
    "env-file": { type: "string", valueHint: "file", description: "a file of K=V lines, read at each start" },
    "kill-signal": { type: "string", valueHint: "signal", description: "what asks it to stop (SIGTERM)" },
    "kill-timeout": { type: "string", valueHint: "ms", description: "SIGKILL when it is not gone by then (10000)" },
    "stable-after": { type: "string", valueHint: "ms", description: "up this long, crashes are counted anew (10000)" },
    "memory-max": { type: "string", valueHint: "bytes", description: "most memory for its whole tree: 512M, 2G" },
    enabled: { type: "boolean", default: true, description: "do not start it with the daemon" },
    start: { type: "boolean", description: "start it now" },
  },
  about: "A command of several words may be quoted as one, or given as words after --.",
  examples: [
    'orion script add api-backend "node server.js" --cwd /srv/api --user www-data --start',
    "orion script add worker --env QUEUE=mail --memory-max 512M -- ./worker --threads 4",
  ],
  async run({ args, words, repeated, session }) {
    const cwd = resolve(session.environment.cwd, args.cwd ?? ".");
    const env = parseEnv(repeated["env"] ?? []);
    const whole = (flag: "max-restarts" | "backoff-base" | "kill-timeout" | "stable-after", most: number) => {
      const text = args[flag];
      return text === undefined ? undefined : parseWhole(`--${flag}`, text, 0, most);
    };
    const script: ScriptInput = withoutGaps({
      name: args.name,
      command: commandLine(words.slice(1)),
      cwd,
      autoRestart: args["auto-restart"] ? undefined : false,
      captureOutput: args.capture ? undefined : false,
      enabled: args.enabled ? undefined : false,
      maxRestarts: whole("max-restarts", 1_000_000),
      backoffBase: whole("backoff-base", dayMs),
      killTimeout: whole("kill-timeout", dayMs),
      stableAfter: whole("stable-after", dayMs),
      user: args.user,
      env,
      envFile: args["env-file"] === undefined ? undefined : absolute(args["env-file"], cwd),
      killSignal: args["kill-signal"] === undefined ? undefined : signalName(args["kill-signal"]),
      memoryMax: args["memory-max"] === undefined ? undefined : parseBytes("--memory-max", args["memory-max"]),
    });
    const daemon = await connectDaemon(session.paths.socket);
    const request = { cmd: "script:add" as const, script, start: args.start === true };
    const answer = (await daemon.request(request, 6 * answerTimeoutMs)) as { pid?: unknown } | undefined;
    daemon.close();
    if (session.json) await printJson(answer ?? {});
    else await print(told(script.name, args.start === true, answer?.pid));
    return exitCodes.done;
  },
});

function told(name: string, start: boolean, pid: unknown): string {
  if (!start) return `${name} added. Start it: orion script start ${name}\n`;
  return `${name} added and started${typeof pid === "number" ? `, pid ${pid}` : ""}\n`;
}

/** One word is a command line for the shell; several are words that the shell must not split again. */
function commandLine(words: readonly string[]): string {
  if (words.length === 1) return words[0] ?? "";
  return words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(" ");
}

function parseEnv(pairs: readonly string[]): Record<string, string> | undefined {
  if (pairs.length === 0) return undefined;
  return Object.fromEntries(
    pairs.map((pair) => {
      const match = /^([A-Za-z_][A-Za-z0-9_]*)=([^]*)$/.exec(pair);
      if (match === null) throw usageFault(`--env can't be "${pair}"`, "Write --env NAME=VALUE");
      return [match[1] ?? "", match[2] ?? ""];
    }),
  );
}

const absolute = (path: string, cwd: string): string => (isAbsolute(path) ? path : resolve(cwd, path));

/** TERM, term and SIGTERM are the same; which ones are allowed the daemon says. */
const signalName = (text: string): KillSignal =>
  (text.toUpperCase().startsWith("SIG") ? text.toUpperCase() : `SIG${text.toUpperCase()}`) as KillSignal;

function withoutGaps(input: { readonly [K in keyof ScriptInput]: ScriptInput[K] | undefined }): ScriptInput {
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined)) as ScriptInput;
}
