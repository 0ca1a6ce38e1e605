/** `orion logs --hub`: what the hub has of all servers and sources, and what comes. */
import { type LogFilter, type StoredEntry, logsPage } from "#src/protocol/api.ts";

import { describeProblem, parseQuery } from "#src/protocol/query-parser.ts";
import { printQuery } from "#src/protocol/query-printer.ts";
import type { Query } from "#src/protocol/query.ts";

import { painter, wantsColours } from "../colour.ts";
import { type ExitCode, exitCodes, usageFault } from "../exit.ts";
import { interruptible } from "../interrupt.ts";
import { renderEntry } from "../logs-view.ts";
import { note, print, printJson } from "../output.ts";
import type { Session } from "../session.ts";
import { parseSince, parseWhole } from "../values.ts";
import { connectHub } from "./access.ts";
import type { HubClient } from "./client.ts";
import { listServers, findServer } from "./servers.ts";
import { type Filter, followTail } from "./tail.ts";

export type HubLogs = {
  readonly name: string | undefined;
  readonly lines: string | undefined;
  readonly since: string | undefined;
  readonly level: LogFilter["level"];
  /** text that messages hold */
  readonly grep: string | undefined;
  /** of the query language */
  readonly query: string | undefined;
  readonly server: string | undefined;
  readonly project: string | undefined;
  readonly follow: boolean;
};

/** Entries of one answer, and of one command at most. */
const pageSize = 1000;
const mostLines = 100_000;

export async function hubLogs(wanted: HubLogs, session: Session): Promise<ExitCode> {
  const hub = connectHub(session);
  const lines = wanted.lines === undefined ? 100 : parseWhole("-n", wanted.lines, 0, mostLines);
  const filter: Filter = {
    source: wanted.name,
    level: wanted.level,
    q: queryOf(wanted),
    project: wanted.project,
    from: wanted.since === undefined ? undefined : parseSince(wanted.since, Date.now()),
    server: wanted.server === undefined ? undefined : (await findServer(hub, wanted.server)).id,
  };
  const hosts = session.json ? new Map<string, string>() : await hostnames(hub);
  const colours = wantsColours(session);
  const paint = painter(colours);
  const text = (entry: StoredEntry): string => {
    if (session.json) return `${JSON.stringify(entry)}\n`;
    const host = hosts.get(entry.serverId);
    const source = host === undefined ? entry.source : `${host}/${entry.source}`;
    return renderEntry({ ...entry, source }, paint, colours);
  };
  const show = (entries: readonly StoredEntry[]) => print(entries.map(text).join(""));

  if (!wanted.follow) {
    const entries = await newest(hub, filter, lines);
    await (session.json ? printJson({ entries }) : show(entries));
    return exitCodes.done;
  }
  return await interruptible(async ({ signal }) => {
    // the tail begins before the search, so that nothing falls between; what both have is shown once
    const shown = new Set<string>();
    await followTail(hub, filter, signal, {
      async ready(position) {
        const entries = await newest(hub, filter, lines, signal);
        for (const { id } of entries) if (Number(id) > position) shown.add(id);
        await show(entries);
      },
      async entries(entries) {
        const fresh = entries.filter(({ id }) => !shown.delete(id));
        if (fresh.length > 0) await show(fresh);
      },
      skipped: (count) => note(`${count} lines were left out: this reader was too slow for them`),
      away: (why) => note(`${why}. It goes on when the hub is back`),
    });
    return exitCodes.done;
  });
}

/** What is asked for, as the hub reads it. @throws {CliFault} the query is none */
function queryOf({ grep, query }: Pick<HubLogs, "grep" | "query">): string | undefined {
  const parts: Query[] = grep === undefined ? [] : [{ kind: "text", text: grep, caseSensitive: false }];
  if (query !== undefined) {
    const parsed = parseQuery(query);
    if (parsed.query === undefined) {
      throw usageFault(
        `--query is not valid: ${describeProblem(parsed)}`,
        "docs/search.md says how queries are written",
      );
    }
    parts.push(parsed.query);
  }
  return parts.length === 0 ? undefined : printQuery({ kind: "and", parts });
}

/** The newest entries, oldest first. */
async function newest(
  hub: HubClient,
  filter: Filter,
  lines: number,
  signal?: AbortSignal,
): Promise<readonly StoredEntry[]> {
  const all: StoredEntry[] = [];
  let cursor: string | undefined;
  while (all.length < lines) {
    const limit = String(Math.min(pageSize, lines - all.length));
    const ask = { path: "/api/logs", query: { ...filter, limit, cursor }, ...(signal === undefined ? {} : { signal }) };
    const page = await hub.ask(ask, logsPage);
    all.push(...page.entries);
    if (page.cursor === null) break;
    cursor = page.cursor;
  }
  return all.toReversed();
}

async function hostnames(hub: HubClient): Promise<Map<string, string>> {
  return new Map((await listServers(hub)).map(({ id, hostname }) => [id, hostname]));
}
