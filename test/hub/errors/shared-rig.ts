/** Error groups of several hubs over one real Postgres, with one log in memory for all of them. See rig.ts. */
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";

import type { Told } from "#src/hub/errors/errors.ts";
import { type SharedErrors, createSharedErrors } from "#src/hub/errors/shared.ts";
import { openErrorStore } from "#src/hub/store/errors/errors.ts";
import { makeErrorLogTables } from "#src/hub/store/errors/shared-tables.ts";
import { openSharedErrorStore } from "#src/hub/store/errors/shared.ts";
import { openCluster } from "#src/hub/store/cluster/cluster.ts";
import type { Cluster } from "#src/hub/store/cluster/port.ts";
import { type Postgres, openPostgres } from "#src/hub/store/postgres/connection.ts";
import { systemClock } from "#src/lib/clock.ts";
import { createSignals, dump } from "#test/hub/store/errors/shared-kit.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";
import { freshDatabase } from "#test/kit/postgres.ts";
import { createSkippingClock } from "#test/kit/skipping-clock.ts";
import { until } from "#test/kit/wait.ts";
import { createTestAssembly, createTestEvents, createTestLog, projects } from "./rig.ts";

export type ClusteredHub = SharedHub & {
  /** Whether it has the duty. */
  leads(): boolean;
  /** It is gone without a word. */
  vanish(): Promise<void>;
};

export type SharedHub = {
  readonly folder: string;
  readonly errors: SharedErrors;
  readonly said: readonly string[];
  readonly told: readonly Told[];
  /** Function name -> events. */
  counts(): Record<string, number>;
  fingerprint(name: string): string;
  /** Everything that its copy holds. */
  dump(): unknown;
  /** Its connection to the database is lost for good. */
  cut(): Promise<void>;
  close(): Promise<void>;
};

const owners = {
  projectOf: (origin: string) => (origin === "gone" ? null : origin.endsWith("x") ? "p2" : "p1"),
  nameOf: (origin: string) => `host-${origin}`,
};

export async function openSharedRig() {
  const database = await freshDatabase();
  const clock = createSkippingClock();
  const log = createTestLog(() => clock.now());
  const events = createTestEvents();
  const signals = createSignals();
  const folders: Folder[] = [];
  const alive = new Set<{ close(): Promise<void> }>();
  const connect = () => openPostgres(database.url, { clock, log: { info: () => undefined, warn: () => undefined } });
  const first = await connect();
  await makeErrorLogTables(first.queries());
  await first.close();

  function makeFolder(): string {
    const folder = temporaryFolder();
    folders.push(folder);
    return folder.path;
  }

  async function open(folder: string): Promise<SharedHub> {
    return await openWith(folder, await connect(), signals);
  }

  async function openWith(
    folder: string,
    postgres: Postgres,
    cluster: Pick<Cluster, "signal" | "onSignal">,
  ): Promise<SharedHub> {
    const said: string[] = [];
    const warn = (message: string) => void said.push(message);
    const shared = await openSharedErrorStore({ dataDir: folder, postgres, cluster, clock, warn });
    const errors = createSharedErrors({
      shared,
      refreshHead: async () => log.head(),
      log,
      events,
      makeAssembly: createTestAssembly,
      async openStaging() {
        const store = await openErrorStore(folder, "anew.db");
        const close = () => {
          store.close();
          rmSync(join(folder, "anew.db"));
        };
        return { store, file: join(folder, "anew.db"), close };
      },
      owners,
      clock,
      workedMs: () => clock.monotonic(),
      warn,
    });
    const told: Told[] = [];
    errors.onChange((one) => void told.push(one));
    function groups() {
      const rest = { state: null, text: null, source: null, server: null, release: null, sinceMs: null, cursor: null };
      const kinds = ["error", "message", "warning"] as const;
      return errors.list({ projects, kinds, sort: "first", limit: 1000, ...rest }).groups;
    }

    const hub: SharedHub = {
      folder,
      errors,
      said,
      told,
      counts: () => Object.fromEntries(groups().map(({ culprit, count }) => [culprit?.split(" ").at(-1) ?? "", count])),
      fingerprint: (name) => groups().find(({ culprit }) => culprit?.endsWith(` ${name}`))?.fingerprint ?? "",
      dump: () => dump(join(folder, "errors-copy.db")),
      cut: () => postgres.close(),
      async close() {
        alive.delete(hub);
        await errors.close();
        await postgres.close();
      },
    };
    alive.add(hub);
    return hub;
  }

  return {
    database,
    clock,
    log,
    events,
    signals,
    hub: () => open(makeFolder()),
    /** A hub among others, as they are outside of tests, but that it is found dead sooner. */
    async clustered(): Promise<ClusteredHub> {
      const postgres = await connect();
      const log = { info: () => undefined, warn: () => undefined };
      const times = { renewMs: 300, leaseMs: 2000, memberMs: 1500, pollMs: 100 };
      const cluster = await openCluster({ postgres, clock: systemClock, log, times });
      const hub = await openWith(makeFolder(), postgres, cluster);
      let leads = false;
      const giveUp = cluster.take("errors", {
        async begin() {
          await hub.errors.duty.begin();
          leads = true;
        },
        async end() {
          leads = false;
          await hub.errors.duty.end();
        },
      });
      alive.delete(hub);
      const clustered: ClusteredHub = {
        ...hub,
        leads: () => leads,
        async vanish() {
          alive.delete(clustered);
          await postgres.close();
        },
        async close() {
          alive.delete(clustered);
          await giveUp();
          await hub.errors.close();
          await cluster.close();
          await postgres.close();
        },
      };
      alive.add(clustered);
      return clustered;
    },
    /** The same hub once more, as it comes up when it was killed now; the one that was killed can do nothing any more. */
    async kill(hub: SharedHub) {
      alive.delete(hub);
      const folder = makeFolder();
      cpSync(hub.folder, folder, { recursive: true });
      await hub.cut();
      return await open(folder);
    },
    /** All copies are equal, and hold so much of each. */
    async counted(expected: Readonly<Record<string, number>>, ...hubs: readonly SharedHub[]) {
      const textOf = (counts: Readonly<Record<string, number>>) =>
        JSON.stringify(counts, [...new Set([...Object.keys(expected), ...Object.keys(counts)])].sort());
      const text = textOf(expected);
      await until(
        () => hubs.every((hub) => textOf(hub.counts()) === text),
        `${text}, not ${JSON.stringify(hubs.map((hub) => hub.counts()))}`,
      );
    },
    /** What the copies hold once they hold the same. */
    async same(...hubs: readonly SharedHub[]) {
      await until(() => new Set(hubs.map((hub) => JSON.stringify(hub.dump()))).size === 1, "equal copies");
    },
    async [Symbol.asyncDispose]() {
      for (const hub of alive) await hub.close();
      signals.close();
      await database[Symbol.asyncDispose]();
      for (const folder of folders) await folder[Symbol.asyncDispose]();
    },
  };
}
