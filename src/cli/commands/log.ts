/** `orion log`: hands entries to the daemon, which acknowledges each. */
import type { Level } from "#src/protocol/log.ts";

import { command } from "../command.ts";
import { connectDaemon } from "../daemon.ts";
import { exitCodes, usageFault } from "../exit.ts";
import { nearest } from "../nearest.ts";
import { printJson } from "../output.ts";

/** As in the protocol, which is not imported here: its schemas would cost more than the rest of this command. */
export const levelNames: readonly Level[] = ["debug", "info", "warn", "error", "fatal"];

export const log = command({
  args: {
    level: { type: "positional", required: true, valueHint: "level", description: levelNames.join(", ") },
    message: {
      type: "positional",
      required: true,
      valueHint: "words...",
      description: "what to say; - reads lines from stdin",
    },
    source: { type: "string", valueHint: "name", description: "who says it; inside a managed script, that script" },
    field: { type: "string", valueHint: "K=V...", description: "a field to keep with the entry" },
  },
  about: "Succeeds once the daemon has every entry on disk.",
  examples: ['orion log error "Disk low"', "make 2>&1 | orion log info - --source build"],
  async run({ args, words, repeated, session }) {
    const level = levelNames.find((name) => name === args.level);
    if (level === undefined) throw unknownLevel(args.level);
    const source = args.source ?? session.environment.script;
    const fields = parseFields(repeated["field"] ?? []);
    const entry = {
      cmd: "log" as const,
      level,
      ...(source === undefined ? {} : { source }),
      ...(fields === undefined ? {} : { fields }),
    };
    if (words.length === 2 && args.message === "-") {
      const { logLines } = await import("../log-lines.ts");
      return await logLines(entry, session);
    }
    const daemon = await connectDaemon(session.paths.socket);
    await daemon.request({ ...entry, message: words.slice(1).join(" ") });
    daemon.close();
    if (session.json) await printJson({ accepted: 1, failed: 0 });
    return exitCodes.done;
  },
});

function unknownLevel(word: string) {
  const guess = nearest(word.toLowerCase(), [...levelNames]) ?? (word.toLowerCase() === "warning" ? "warn" : undefined);
  return usageFault(
    `"${word}" is no level`,
    `${guess === undefined ? "" : `Did you mean ${guess}? `}Levels: ${levelNames.join(", ")}`,
  );
}

function parseFields(pairs: readonly string[]): Record<string, string> | undefined {
  if (pairs.length === 0) return undefined;
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf("=");
      if (at < 1) throw usageFault(`"${pair}" is no field`, "Write --field NAME=VALUE");
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}
