/** `orion errors list`. */
import { groupKinds, groupStates } from "#src/protocol/error-group.ts";

import { painter, wantsColours } from "../../colour.ts";
import { command } from "../../command.ts";
import { exitCodes } from "../../exit.ts";
import { connectHub } from "../../hub/access.ts";
import { listErrors } from "../../hub/errors.ts";
import { renderErrors } from "../../hub/errors-view.ts";
import { listProjects } from "../../hub/projects.ts";
import { findServer } from "../../hub/servers.ts";
import { projectName } from "../../hub/servers-view.ts";
import { note, print, printJson } from "../../output.ts";
import { parseSince, parseWhole } from "../../values.ts";

const mostGroups = 10_000;

export const list = command({
  args: {
    state: {
      type: "enum",
      options: [...groupStates, "all"],
      default: "unresolved",
      valueHint: "state",
      description: "unresolved, resolved, ignored or all (unresolved)",
    },
    kind: {
      type: "enum",
      options: [...groupKinds],
      valueHint: "kind",
      description: "error (with a traceback), message (without) or warning; errors and messages if left out",
    },
    grep: { type: "string", valueHint: "text", description: "only with this in type, message or function" },
    source: { type: "string", valueHint: "source", description: "only of this source" },
    server: { type: "string", valueHint: "server", description: "only of this server: its hostname or id" },
    project: { type: "string", valueHint: "project", description: "only of this project: its name or id" },
    release: { type: "string", valueHint: "release", description: "only seen in this release" },
    since: { type: "string", valueHint: "time", description: "only seen since: 30m, 2h, 7d, or 2026-01-31T14:00:00Z" },
    sort: {
      type: "enum",
      options: ["last", "first", "count"],
      default: "last",
      valueHint: "order",
      description: "last seen, first seen or count (last)",
    },
    lines: { type: "string", alias: "n", valueHint: "N", description: "at most so many groups (50)" },
    quiet: { type: "boolean", alias: "q", description: "ids only" },
  },
  examples: ["orion errors list --since 1d --sort count", "orion errors list --state all --grep Timeout --json"],
  async run({ args, session }) {
    const hub = connectHub(session);
    const most = args.lines === undefined ? 50 : parseWhole("-n", args.lines, 1, mostGroups);
    const filter = {
      state: args.state === "all" ? undefined : args.state,
      kind: args.kind,
      q: args.grep,
      source: args.source,
      server: args.server === undefined ? undefined : (await findServer(hub, args.server)).id,
      project: args.project,
      release: args.release,
      since: args.since === undefined ? undefined : parseSince(args.since, Date.now()),
      sort: args.sort,
    };
    const { groups, more } = await listErrors(hub, filter, most);
    if (session.json) await printJson({ groups });
    else if (args.quiet === true) await print(groups.map(({ fingerprint }) => `${fingerprint}\n`).join(""));
    else if (groups.length === 0) await note("No errors like that");
    else {
      const projects = await listProjects(hub);
      const name = (id: string) => projectName(projects, id);
      await print(`${renderErrors(groups, name, painter(wantsColours(session)), Date.now()).join("\n")}\n`);
      if (more) await note(`There are more: -n ${most * 2}, or orion errors list --help for filters`);
    }
    return exitCodes.done;
  },
});
