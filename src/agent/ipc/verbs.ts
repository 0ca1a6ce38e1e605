/** The table of verbs: what each command of the socket does. */
import type { Cancel } from "#src/lib/clock.ts";
import { type IpcCommand, type IpcRequest, maxIpcBacklogBytes } from "#src/protocol/ipc.ts";
import type { LogEntry } from "#src/protocol/log.ts";

import type { LogsQuery, Orders } from "./orders.ts";

/** An answer that goes on until the client hangs up. */
export type Stream = { readonly open: (send: (data: unknown) => void) => Cancel };

/** Either the data of the answer, or a stream of data. */
export type Outcome = { readonly data: unknown } | { readonly stream: Stream };

type Verb<C extends IpcCommand> = (
  request: Extract<IpcRequest, { cmd: C }>,
  orders: Orders,
) => Outcome | Promise<Outcome>;

/** The source of an entry that names none. */
const defaultSource = "cli";
/** Entries of one answer, in characters: twice as much would get the client that asked for them cut off. */
const maxLogsAnswer = maxIpcBacklogBytes / 2;

export const verbs: { readonly [C in IpcCommand]: Verb<C> } = {
  ping: (_request, orders) => ({ data: orders.ping() }),
  status: (_request, orders) => ({ data: orders.status() }),
  reload: async (_request, orders) => ({ data: await orders.reload() }),
  "agent:reexec": async (_request, orders) => ({ data: await orders.reexec() }),
  log(request, orders) {
    const { level, message, fields, source = defaultSource } = request;
    orders.log(fields === undefined ? { level, message, source } : { level, message, source, fields });
    return { data: {} };
  },
  logs(request, orders) {
    const query = queryOf(request);
    const recent = query.lines === 0 ? [] : orders.recent(query);
    const { entries, omitted } = newest(recent);
    if (!request.follow) return { data: omitted === 0 ? { entries } : { entries, omitted } };
    return { stream: { open: (send) => followFrom(entries, query, orders, send) } };
  },
  "script:list": (_request, orders) => ({ data: { scripts: orders.listScripts() } }),
  "script:show": (request, orders) => ({ data: orders.showScript(request.name) }),
  "script:start": async (request, orders) => ({ data: await orders.startScript(request.name) }),
  "script:restart": async (request, orders) => ({ data: await orders.restartScript(request.name) }),
  "script:add": async (request, orders) => ({ data: await orders.addScript(request.script, request.start) }),
  async "script:stop"(request, orders) {
    await orders.stopScript(request.name);
    return { data: {} };
  },
  async "script:remove"(request, orders) {
    await orders.removeScript(request.name);
    return { data: {} };
  },
};

/** Runs the verb of a valid request. Throws or rejects with what the order failed with. */
export function obey(request: IpcRequest, orders: Orders): Outcome | Promise<Outcome> {
  // the table's type pairs each command with its request; the compiler can't follow that through an index
  const verb = verbs[request.cmd] as (request: IpcRequest, orders: Orders) => Outcome | Promise<Outcome>;
  return verb(request, orders);
}

function queryOf(request: Extract<IpcRequest, { cmd: "logs" }>): LogsQuery {
  const { name, lines, since, level, grep } = request;
  return {
    lines,
    ...(name === undefined ? {} : { source: name }),
    ...(since === undefined ? {} : { sinceMs: Date.parse(since) }),
    ...(level === undefined ? {} : { level }),
    ...(grep === undefined ? {} : { grep }),
  };
}

/** As many of the newest entries as fit into one answer; the newest always does. */
function newest(entries: readonly LogEntry[]): { entries: readonly LogEntry[]; omitted: number } {
  let size = 0;
  for (let index = entries.length - 1; index >= 0; index--) {
    const entry = entries[index];
    size += (entry?.message.length ?? 0) + 200;
    if (size > maxLogsAnswer && index < entries.length - 1) {
      return { entries: entries.slice(index + 1), omitted: index + 1 };
    }
  }
  return { entries, omitted: 0 };
}

/** The kept entries, then every new one. Both happen in one turn of the event loop, so none is missed or repeated. */
function followFrom(
  kept: readonly LogEntry[],
  query: LogsQuery,
  orders: Orders,
  send: (data: unknown) => void,
): Cancel {
  for (const entry of kept) send({ entry });
  return orders.follow(query, (entry) => send({ entry }));
}
