/** `orion logs`: captured output and entries that this daemon keeps. */
import type { LogEntry } from "#src/protocol/log.ts";

import { painter, wantsColours } from "../colour.ts";
import { command } from "../command.ts";
import { connectDaemon } from "../daemon.ts";
import { type ExitCode, exitCodes, usageFault } from "../exit.ts";
import { renderEntry } from "../logs-view.ts";
import { note, print, printJson } from "../output.ts";
import { parseSince, parseWhole } from "../values.ts";

/** As many as the daemon gives at most. */
const mostLines = 10_000;

export const logs = command({
  args: {
    name: {
      type: "positional",
      required: false,
      valueHint: "source",
      description: "one script, container or other source; all if left out",
    },
    follow: { type: "boolean", alias: "f", description: "go on with what comes, until Ctrl-C" },
    lines: {
      type: "string",
      alias: "n",
      valueHint: "N",
      description: "how many of the newest lines to begin with (100)",
    },
    since: { type: "string", valueHint: "time", description: "nothing older: 30s, 10m, 1h, 2d, or an RFC 3339 time" },
    until: { type: "string", valueHint: "time", description: "with --hub: nothing younger, written likewise" },
    level: {
      type: "enum",
      options: ["debug", "info", "warn", "error", "fatal"],
      valueHint: "level",
      description: "this level or worse",
    },
    grep: {
      type: "string",
      valueHint: "text",
      description: "only messages that hold this text, in upper or lower case",
    },
    query: {
      type: "string",
      valueHint: "query",
      description: "with --hub: only what this finds, such as 'status>=500 -\"GET /health\"' (docs/search.md)",
    },
    hub: { type: "boolean", description: "of the whole project, from the hub (see orion login)" },
    server: { type: "string", valueHint: "server", description: "with --hub: only this server's (hostname or id)" },
    project: { type: "string", valueHint: "project", description: "with --hub: only this project's (name or id)" },
    count: { type: "boolean", description: "with --hub: how many there are over time, not the entries" },
    top: { type: "string", valueHint: "field", description: "with --hub: the most frequent values of a field" },
    around: {
      type: "string",
      valueHint: "id",
      description: "with --hub: what its source logged around this entry (--json has ids)",
    },
  },
  about: "Reads what this host's daemon keeps; with --hub what the hub has of all servers and sources.",
  examples: [
    "orion logs api-backend -f",
    "orion logs odoo --since 10m        (a container, by its name or the beginning of its id)",
    "orion logs --since 1h --level error --json | jq .entries[].message",
    "orion logs --hub --server web-1 --grep timeout -f",
    "orion logs --hub --query 'status>=500' --since 1h --top path",
  ],
  async run({ args, session }): Promise<ExitCode> {
    const follow = args.follow === true;
    if (args.hub === true) {
      const { hubLogs } = await import("../hub/logs.ts");
      const { name, lines, since, until, level, grep, query, server, project, top, around } = args;
      const wanted = { name, lines, since, until, level, grep, query, server, project, follow };
      return await hubLogs({ ...wanted, count: args.count === true, top, around }, session);
    }
    const ofHub = ["until", "query", "server", "project", "count", "top", "around"] as const;
    const given = ofHub.find((name) => args[name] !== undefined && args[name] !== false);
    if (given !== undefined) throw usageFault(`--${given} is for logs of the hub`, "Add --hub");
    const request = {
      cmd: "logs" as const,
      lines: args.lines === undefined ? 100 : parseWhole("-n", args.lines, 0, mostLines),
      follow,
      ...(args.name === undefined ? {} : { name: args.name }),
      ...(args.since === undefined ? {} : { since: parseSince(args.since, Date.now()) }),
      ...(args.level === undefined ? {} : { level: args.level }),
      ...(args.grep === undefined ? {} : { grep: args.grep }),
    };
    const colours = wantsColours(session);
    const paint = painter(colours);
    const show = (entries: readonly LogEntry[]) =>
      print(
        entries
          .map((entry) => (session.json ? `${JSON.stringify(entry)}\n` : renderEntry(entry, paint, colours)))
          .join(""),
      );
    const daemon = await connectDaemon(session.paths.socket);
    if (follow) {
      await daemon.follow(request, (answers) => show(answers.flatMap(entriesOf)));
      return exitCodes.done;
    }
    const answer = await daemon.request(request);
    const entries = entriesOf(answer);
    daemon.close();
    await (session.json ? printJson({ entries }) : show(entries));
    if (entries.length === 0 && args.name !== undefined && request.lines > 0) {
      const filtered = [args.since, args.level, args.grep].some((filter) => filter !== undefined);
      await note(`Nothing of ${args.name} is kept here${filtered ? " that fits" : ""}. All names: orion status -q`);
    }
    const omitted = (answer as { readonly omitted?: unknown }).omitted;
    if (typeof omitted === "number") {
      await note(`${omitted} older lines were left out: the answer would have been too large`);
    }
    return exitCodes.done;
  },
});

/** The daemon gives a list at once, or one entry an answer while it is followed. */
function entriesOf(data: unknown): readonly LogEntry[] {
  const answer = data as { readonly entries?: readonly LogEntry[]; readonly entry?: LogEntry } | undefined;
  return answer?.entries ?? (answer?.entry === undefined ? [] : [answer.entry]);
}
