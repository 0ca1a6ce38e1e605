/** The databases that a hub's state can be in. A suite runs for each of them, and they must not differ. */
import { createSoleHub } from "#src/hub/store/cluster/sole.ts";
import { openPostgres } from "#src/hub/store/postgres/connection.ts";
import { openPostgresState } from "#src/hub/store/postgres/state.ts";
import { type OpenedState, openStateStore } from "#src/hub/store/state.ts";
import { type Clock, systemClock } from "#src/lib/clock.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { type TestDatabase, freshDatabase, havePostgres } from "#test/kit/postgres.ts";

export type OpenedEngine = AsyncDisposable & {
  /** the store that is open now */
  readonly state: OpenedState;
  /** Closes it and opens it again, as a restart does. */
  reopen(): Promise<OpenedState>;
};

export type StateEngine = {
  readonly name: string;
  /** what is missing to run it; null: nothing */
  readonly lacks: string | null;
  /** An empty store, which goes away with the test. */
  open(clock?: Clock): Promise<OpenedEngine>;
};

/** "Postgres", or what it can't be run for: the name of a suite, so that a skipped one says why. */
export const titleOf = ({ name, lacks }: StateEngine) => (lacks === null ? name : `${name} (needs ${lacks})`);

export const stateEngines: readonly StateEngine[] = [
  {
    name: "SQLite",
    lacks: null,
    async open(clock = systemClock) {
      const folder = temporaryFolder();
      return await reopening(() => openStateStore(folder.path, clock), folder);
    },
  },
  {
    name: "Postgres",
    lacks: havePostgres ? null : "PostgreSQL",
    async open(clock = systemClock) {
      const database = await emptyDatabase();
      return await reopening(() => openOnPostgres(database.url, clock), database);
    },
  },
];

/** Databases with all tables that a test has left. */
const left: TestDatabase[] = [];

/** A database without a row in it; to make all tables anew for each test takes longer than the tests. */
async function emptyDatabase(): Promise<AsyncDisposable & { readonly url: string }> {
  const database = left.pop() ?? (await freshDatabase());
  return {
    url: database.url,
    async [Symbol.asyncDispose]() {
      await database.query(`
        TRUNCATE projects, servers, sources, tokens, devices, events, senders, audit, ssh_hub_keys, changes, change_heads CASCADE;
        UPDATE positions SET position = 0`);
      left.push(database);
    },
  };
}

/** A state store with a connection of its own, as a hub has. */
export async function openOnPostgres(url: string, clock: Clock = systemClock): Promise<OpenedState> {
  const log = { info: () => undefined, warn: () => undefined };
  const postgres = await openPostgres(url, { clock: systemClock, log });
  const cluster = createSoleHub();
  const state = await openPostgresState(postgres, { clock, cluster, ...log });
  return {
    ...state,
    async close() {
      await state.close();
      await cluster.close();
      await postgres.close();
    },
  };
}

async function reopening(open: () => Promise<OpenedState>, place: AsyncDisposable): Promise<OpenedEngine> {
  let state = await open();
  return {
    get state() {
      return state;
    },
    async reopen() {
      await state.close();
      return (state = await open());
    },
    async [Symbol.asyncDispose]() {
      await state.close();
      await place[Symbol.asyncDispose]();
    },
  };
}
