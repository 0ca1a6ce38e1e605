/** What clients of the socket may order, made of the doors of the rooms. */
import { keep } from "#src/lib/keep.ts";
import { Fault } from "#src/protocol/fault.ts";
import type { PingAnswer, ReexecAnswer, StatusAnswer } from "#src/protocol/ipc.ts";

import type { Delivery } from "./delivery/door.ts";
import type { Orders, ReloadAnswer, ScriptView } from "./ipc/orders.ts";
import type { ScriptsFile } from "./scripts-file.ts";
import type { Supervisor } from "./supervisor/supervisor.ts";

type Rooms = {
  readonly delivery: Delivery;
  readonly supervisor: Supervisor;
  readonly scriptsFile: ScriptsFile;
  readonly status: () => StatusAnswer;
  readonly ping: () => PingAnswer;
  readonly reload: () => Promise<ReloadAnswer>;
  readonly reexec: () => Promise<ReexecAnswer>;
  /** what the lines of a container are filed under */
  readonly sourceOf: (container: string) => string | undefined;
};

/** Runs what changes the set of scripts one after the other: a reload must not take a script that is being added for gone. */
export function createTurns(): <T>(run: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (run) => {
    const next = last.then(run, run);
    last = next;
    // whoever asked gets the failure; here it only must not count as unhandled
    keep(next, () => {});
    return next;
  };
}

/** The orders of `rooms`. */
export function createOrders(rooms: Rooms, inTurn: <T>(run: () => Promise<T>) => Promise<T>): Orders {
  const { delivery, supervisor, scriptsFile } = rooms;

  function find(name: string): ScriptView {
    const found = supervisor.list().find(({ script }) => script.name === name);
    if (found === undefined)
      throw new Fault("not-found", `script ${name} not found`, { hint: "See: orion script list" });
    return found;
  }

  /** A container is found by its name or id as well; a script of that name goes first. */
  function bySource<Q extends { readonly source?: string }>(query: Q): Q {
    const { source } = query;
    if (source === undefined || supervisor.list().some(({ script }) => script.name === source)) return query;
    return { ...query, source: rooms.sourceOf(source) ?? source };
  }

  return {
    ping: rooms.ping,
    status: rooms.status,
    log: (entry) => delivery.log(entry),
    recent: (query) => delivery.recent(bySource(query)),
    follow: (query, onEntry) => delivery.follow(bySource(query), onEntry),
    listScripts() {
      supervisor.sample();
      return supervisor.list();
    },
    showScript(name) {
      supervisor.sample();
      return find(name);
    },
    startScript: (name) => supervisor.startScript(name),
    stopScript: (name) => supervisor.stopScript(name),
    restartScript: (name) => supervisor.restartScript(name),
    addScript: (script, start) =>
      inTurn(async () => {
        if (supervisor.list().some((known) => known.script.name === script.name)) {
          throw new Fault("conflict", `script ${script.name} already exists`, {
            hint: `Remove it first: orion script remove ${script.name}`,
          });
        }
        scriptsFile.add(script);
        scriptsFile.load();
        await supervisor.add(script, { start });
        return { pid: find(script.name).status.pid };
      }),
    removeScript: (name) =>
      inTurn(async () => {
        find(name);
        // the file first: a script that comes back at the next start was not removed
        scriptsFile.remove(name);
        await supervisor.remove(name);
        scriptsFile.load();
      }),
    reload: rooms.reload,
    reexec: rooms.reexec,
  };
}
