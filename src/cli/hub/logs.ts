/** `orion logs --hub`: what the hub has of all servers and sources, and what comes. */
import type { LogFilter, StoredEntry } from "#src/protocol/api.ts";
import { contextAnswer, searchPage } from "#src/protocol/query-answers.ts";

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
import { showCounts, showTop } from "./log-figures.ts";
import { listServers, findServer } from "./servers.ts";
import { type Filter, followTail } from "./tail.ts";

export type HubLogs = {
  readonly name: string | undefined;
  readonly lines: string | undefined;
  readonly since: string | undefined;
  readonly until: string | undefined;
  readonly level: LogFilter["level"];
  /** text that messages hold */
  readonly grep: string | undefined;
  /** of the query language */
  readonly query: string | undefined;
  readonly server: string | undefined;
  readonly project: string | undefined;
  readonly follow: boolean;
  /** figures in the place of entries */
  readonly count: boolean;
  readonly top: string | undefined;
  /** the id of an entry */
  readonly around: string | undefined;
};

/** Entries of one answer, and of one command at most. */
const pageSize = 1000;
const mostLines = 100_000;

export async function hubLogs(wanted: HubLogs, session: Session): Promise<ExitCode> {
  refuseMixtures(wanted);
  const hub = connectHub(session);
  const lines = wanted.lines === undefined ? 100 : parseWhole("-n", wanted.lines, 0, mostLines);
  const filter: Filter = {
    source: wanted.name,
    level: wanted.level,
    q: queryOf(wanted),
    project: wanted.project,
    from: wanted.since === undefined ? undefined : parseSince(wanted.since, Date.now()),
    to: wanted.until === undefined ? undefined : parseSince(wanted.until, Date.now()),
    server: wanted.server === undefined ? undefined : (await findServer(hub, wanted.server)).id,
  };
  if (wanted.count) return await showCounts(hub, filter, session);
  if (wanted.top !== undefined) {
    return await showTop(hub, filter, { field: wanted.top, limit: wanted.lines === undefined ? 10 : lines }, session);
  }
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
    const entries =
      wanted.around === undefined
        ? await newest(hub, filter, lines)
        : await around(hub, wanted.around, wanted.lines === undefined ? 20 : lines);
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

/** @throws {CliFault} what is asked for at once can't be */
function refuseMixtures({ count, top, around: id, follow, until }: HubLogs): void {
  const given = [count && "--count", top !== undefined && "--top", id !== undefined && "--around", follow && "-f"];
  const [one, other] = given.filter((flag) => flag !== false);
  if (other !== undefined) throw usageFault(`${one} and ${other} can't be asked for at once`, "Leave one of them out");
  if (follow && until !== undefined)
    throw usageFault("-f and --until can't be asked for at once", "Leave one of them out");
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
  let damaged = 0;
  while (all.length < lines) {
    const limit = String(Math.min(pageSize, lines - all.length));
    const ask = { path: "/api/logs", query: { ...filter, limit, cursor }, ...(signal === undefined ? {} : { signal }) };
    const page = await hub.ask(ask, searchPage);
    all.push(...page.entries);
    damaged += page.damaged;
    if (page.cursor === null) break;
    cursor = page.cursor;
  }
  if (damaged > 0) await note(`${damaged} blocks of the log were passed over: they can't be read (orion hub check)`);
  return all.toReversed();
}

/** An entry, and as many on either side of it. */
async function around(hub: HubClient, id: string, lines: number): Promise<readonly StoredEntry[]> {
  if (!/^\d+$/.test(id)) throw usageFault(`--around can't be "${id}"`, "Give the id of an entry, as --json shows it");
  const most = String(Math.min(lines, 500));
  return (await hub.ask({ path: `/api/logs/${id}/context`, query: { before: most, after: most } }, contextAnswer))
    .entries;
}

async function hostnames(hub: HubClient): Promise<Map<string, string>> {
  return new Map((await listServers(hub)).map(({ id, hostname }) => [id, hostname]));
}
