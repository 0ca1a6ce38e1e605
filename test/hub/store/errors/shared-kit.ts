/** Hubs' stores of error groups over one real Postgres, without anything else of a hub. */
import { rmSync } from "node:fs";

import { Database } from "bun:sqlite";

import type { SharedErrorStore, SharedTurn } from "#src/hub/store/errors/port.ts";
import { makeErrorLogTables } from "#src/hub/store/errors/shared-tables.ts";
import { openSharedErrorStore } from "#src/hub/store/errors/shared.ts";
import { type Postgres, openPostgres } from "#src/hub/store/postgres/connection.ts";
import { systemClock } from "#src/lib/clock.ts";
import type { ErrorWrites, GroupRow } from "#src/protocol/error-rows.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { freshDatabase } from "#test/kit/postgres.ts";
import { until } from "#test/kit/wait.ts";

export const nothing: ErrorWrites = {
  groups: [],
  variants: [],
  routes: [],
  counts: [],
  samples: [],
  crashes: [],
  templates: [],
  releases: [],
  resume: null,
};

export function group(id: number, rest: Partial<GroupRow> = {}): GroupRow {
  return {
    id,
    project: "p1",
    fingerprint: `v1:${id}`,
    kind: "error",
    level: "error",
    format: "python",
    type: "ValueError",
    value: "bad",
    culprit: "total",
    explanation: "{}",
    firstMs: 1,
    lastMs: 2,
    count: 3,
    state: "unresolved",
    decidedAtMs: null,
    decidedBy: null,
    resolvedIn: null,
    ignoredUntilMs: null,
    ignoredUntilCount: null,
    regressedAtMs: null,
    ...rest,
  };
}

/** Signals between the hubs of a test, and every 50 ms without one. */
export function createSignals() {
  const listeners = new Set<() => void>();
  let silent = false;
  const ring = () => {
    if (silent) return;
    for (const listener of listeners) listener();
  };
  const timer = setInterval(ring, 50);
  return {
    signal: () => void setTimeout(ring, 0),
    onSignal(_: string, listener: () => void) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    /** None until it is said again. */
    silence(yes: boolean) {
      silent = yes;
    },
    close: () => clearInterval(timer),
  };
}

export type Hub = {
  readonly shared: SharedErrorStore;
  readonly folder: string;
  readonly said: string[];
  /** what it heard of others */
  readonly told: (readonly unknown[] | null)[];
  /** `answer`: to what another hub asks. */
  begin(answer?: (body: string) => string): Promise<void>;
  /** Its turn was ended by another one. */
  overs: number;
  /** Everything that its copy holds. */
  dump(): Readonly<Record<string, readonly string[]>>;
  mark(): Mark;
};

/** Everything that lies in a file of error groups. */
export function dump(file: string): Readonly<Record<string, readonly string[]>> {
  const database = new Database(file, { readonly: true });
  try {
    const tables = database
      .query<{ name: string }, []>(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'kysely%' AND name NOT LIKE 'sqlite_stat%' ORDER BY name",
      )
      .all();
    return Object.fromEntries(
      tables.map(({ name }) => {
        const rows = database.query<Record<string, unknown>, []>(`SELECT * FROM "${name}"`).all();
        const texts = rows.map((row) => JSON.stringify(row)).sort();
        return [name, texts];
      }),
    );
  } finally {
    database.close();
  }
}

/** A database with the tables, and as many hubs as a test opens. */
export async function openHubs() {
  const database = await freshDatabase();
  const world = { clock: systemClock, log: { info: () => undefined, warn: () => undefined } };
  const postgres: Postgres = await openPostgres(database.url, world);
  await makeErrorLogTables(postgres.queries());
  const signals = createSignals();
  const folders: ReturnType<typeof temporaryFolder>[] = [];
  const open = new Set<SharedErrorStore>();

  async function openHub(folder: string, snapshotBytes?: number): Promise<Hub> {
    const said: string[] = [];
    const shared = await openSharedErrorStore({
      dataDir: folder,
      postgres,
      cluster: signals,
      clock: systemClock,
      warn: (message) => void said.push(message),
      ...(snapshotBytes === undefined ? {} : { snapshotBytes }),
    });
    open.add(shared);
    const told: (readonly unknown[] | null)[] = [];
    shared.onTold((some) => void told.push(some));
    const hub: Hub = {
      shared,
      folder,
      said,
      told,
      overs: 0,
      async begin(answer = () => "nobody") {
        const asked: SharedTurn["asked"] = (body, reply) => reply(answer(body));
        await shared.begin({ asked, onOver: () => void hub.overs++ });
      },
      dump: () => dump(`${folder}/errors-copy.db`),
      mark() {
        const [row] = hub.dump()["copy_mark"] ?? [];
        return row === undefined ? { position: 0, term: "" } : (JSON.parse(row) as Mark);
      },
    };
    return hub;
  }

  return {
    database,
    postgres,
    signals,
    folder() {
      const made = temporaryFolder();
      folders.push(made);
      return made.path;
    },
    async hub(snapshotBytes?: number) {
      return await openHub(this.folder(), snapshotBytes);
    },
    /** The same hub, stopped and started. */
    async restart(hub: Hub) {
      await hub.shared.close();
      return await openHub(hub.folder);
    },
    /** A hub that was killed when its folder looked like this. */
    async revive(folder: string) {
      return await openHub(folder);
    },
    /** Copies of all have what Postgres has. */
    async together(...hubs: readonly Hub[]) {
      await until(async () => {
        const [end] = await database.query(
          "SELECT position, coalesce((SELECT term FROM error_log AS row WHERE row.position = head.position), snapshot_term) AS term FROM error_head AS head",
        );
        return hubs.every((hub) => {
          const { position, term } = hub.mark();
          return position === Number(end?.["position"]) && term === end?.["term"];
        });
      }, "all copies being at the end of the log");
      return hubs.map((hub) => hub.dump());
    },
    async [Symbol.asyncDispose]() {
      for (const shared of open) await shared.close();
      signals.close();
      await postgres.close();
      await database[Symbol.asyncDispose]();
      for (const folder of folders) rmSync(folder.path, { recursive: true, force: true });
    },
  };
}

type Mark = { readonly position: number; readonly term: string };
