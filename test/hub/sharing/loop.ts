/**
 * Hubs that share one opened store within a process: what one writes the others are told, when the test lets it through.
 * The real thing is on Postgres; this one shows any order of things that a test wants.
 */
import type { Change, ChangeKind, Cluster, Duty } from "#src/hub/store/cluster/port.ts";
import type { EmbeddedStateStore } from "#src/hub/store/state.ts";
import { keep } from "#src/lib/keep.ts";
import { Fault } from "#src/protocol/fault.ts";

type Args = readonly unknown[];
/** Which rows a write has changed. */
type Told = (args: Args, result: unknown) => readonly string[];

const idOf = (args: Args) => (args[0] as { readonly id: string }).id;
const first: Told = (args) => [args[0] as string];
const row: Told = (args) => [idOf(args)];
const rows: Told = (args) => (args[0] as readonly { readonly id: string }[]).map(({ id }) => id);
const ofServer: Told = (args) => [(args[0] as { readonly serverId: string }).serverId];

const writes: Readonly<Partial<Record<keyof EmbeddedStateStore, readonly [ChangeKind, Told]>>> = {
  putServer: ["server", row],
  changeServer: ["server", (args, done) => (done === true ? first(args, done) : [])],
  deleteServer: ["server", first],
  putBeats: ["beat", rows],
  putWatches: ["beat", (args) => (args[0] as readonly { readonly serverId: string }[]).map((one) => one.serverId)],
  putPendingToken: ["pending-token", first],
  putProject: ["project", row],
  changeProject: ["project", first],
  deleteProject: ["project", first],
  putSource: ["source", row],
  renewSource: ["source", (args, done) => (done === true ? first(args, done) : [])],
  deleteSource: ["source", first],
  putToken: ["token", row],
  deleteToken: ["token", first],
  spendToken: ["token", first],
  refundToken: ["token", first],
  putSsh: ["ssh", (args, done) => (done === true ? ofServer(args, done) : [])],
  deleteSsh: ["ssh", first],
  putJob: ["job", row],
  claimJob: ["job", first],
  endJob: ["job", row],
  releaseJobs: ["job", (_, released) => released as readonly string[]],
  cancelJob: ["job", first],
};

export type LoopHub = {
  readonly id: string;
  readonly cluster: Cluster;
  /** the store as this hub uses it */
  readonly store: EmbeddedStateStore;
  /** what it does fails, as when the database can't be reached from there */
  cut: boolean;
};

export type Loop = {
  hub(id: string): LoopHub;
  /** Tells every hub what the others have written; afterwards, or from now on, at once. */
  deliver(): void;
  /** true: what is written is told at once */
  live: boolean;
  /** Waits until nothing is read or written, nor follows from what was. */
  settle(): Promise<void>;
  /** Its lease has run out: it is gone for the others. */
  kill(hub: LoopHub): void;
};

type Member = {
  readonly hub: LoopHub;
  readonly listeners: Set<(changes: readonly Change[] | null) => void>;
  readonly gone: Set<(hubId: string) => void>;
  waiting: Change[];
  member: boolean;
};

/** What lasts longer than that of a database away. */
export const away = () => new Fault("unavailable", "the database can't be reached");

export function createLoop(store: () => EmbeddedStateStore): Loop {
  const members = new Map<string, Member>();
  let working = 0;
  const duties = new Map<string, { holder: string | undefined; readonly strivers: Map<string, Duty> }>();

  function wrap(hub: { cut: boolean; readonly id: string }): EmbeddedStateStore {
    return new Proxy({} as EmbeddedStateStore, {
      get(_, name: keyof EmbeddedStateStore) {
        const method = store()[name] as (...args: Args) => unknown;
        if (typeof method !== "function") return method;
        return (...args: Args): unknown => {
          const told = writes[name];
          if (name === "eventsHead" || name === "onEvent" || name === "close") return method(...args);
          return (async () => {
            working++;
            try {
              if (hub.cut) throw away();
              const result = await method(...args);
              // done, but not answered
              if (told !== undefined) tell(hub.id, told[0], told[1](args, result));
              if (hub.cut) throw away();
              return result;
            } finally {
              working--;
            }
          })();
        };
      },
    });
  }

  function tell(from: string, kind: ChangeKind, ids: readonly string[]): void {
    for (const member of members.values()) {
      if (member.hub.id !== from) member.waiting.push(...ids.map((id) => ({ kind, id })));
    }
    if (loop.live) deliver();
  }

  function deliver(): void {
    for (const member of members.values()) deliverTo(member);
  }

  function deliverTo(member: Member): void {
    const { waiting } = member;
    if (waiting.length === 0 || member.hub.cut) return;
    member.waiting = [];
    for (const listener of member.listeners) listener(waiting);
  }

  /** Gives each duty that nobody has to who strove first. */
  function assign(): void {
    for (const [name, duty] of duties) {
      if (duty.holder !== undefined) continue;
      const [next] = [...duty.strivers].filter(([id]) => members.get(id)?.member === true);
      if (next === undefined) continue;
      duty.holder = next[0];
      keep(Promise.resolve(next[1].begin()), (error) => {
        throw new Error(`duty ${name} of ${next[0]}`, { cause: error });
      });
    }
  }

  const loop: Loop = {
    live: false,
    deliver,
    async settle() {
      for (let quiet = 0; quiet < 5; quiet = working === 0 ? quiet + 1 : 0) {
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
    hub(id) {
      const listeners = new Set<(changes: readonly Change[] | null) => void>();
      const gone = new Set<(hubId: string) => void>();
      const add =
        <T>(to: Set<T>) =>
        (one: T) => {
          to.add(one);
          return () => void to.delete(one);
        };
      const cluster: Cluster = {
        hubId: () => id,
        isMember: () => members.get(id)?.member === true && members.get(id)?.hub.cut === false,
        isGone: async (other) => members.get(other)?.member !== true,
        onGone: add(gone),
        onChanges: add(listeners),
        signal: () => undefined,
        onSignal: () => () => undefined,
        take(name, duty) {
          const known = duties.get(name) ?? { holder: undefined, strivers: new Map<string, Duty>() };
          duties.set(name, known);
          known.strivers.set(id, duty);
          assign();
          return async () => {
            known.strivers.delete(id);
            if (known.holder !== id) return;
            known.holder = undefined;
            await duty.end();
            assign();
          };
        },
        duties: async () => [...duties].map(([name, { holder }]) => ({ name, hubId: holder ?? null })),
        catchUp: async () => {
          const member = members.get(id);
          if (member !== undefined) deliverTo(member);
        },
        standing: () => ({ renewedAgoMs: 0, duties: {} }),
        close: async () => undefined,
      };
      const hub: LoopHub = { id, cluster, cut: false, store: undefined as never };
      Object.assign(hub, { store: wrap(hub) });
      members.set(id, { hub, listeners, gone, waiting: [], member: true });
      return hub;
    },
    kill({ id }) {
      const dead = members.get(id);
      if (dead === undefined) return;
      dead.member = false;
      dead.waiting = [];
      for (const duty of duties.values()) {
        duty.strivers.delete(id);
        if (duty.holder === id) duty.holder = undefined;
      }
      for (const { hub, gone } of members.values()) if (hub.id !== id) for (const listener of gone) listener(id);
      assign();
    },
  };
  return loop;
}
