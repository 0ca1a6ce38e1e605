/** A store of metrics in a real ClickHouse, with a hub's folder of its own. */
import { openClickhouse } from "#src/hub/store/clickhouse/client.ts";
import { type ClickhouseSeries, openClickhouseSeries } from "#src/hub/store/clickhouse/series.ts";
import { journalEveryMs } from "#src/hub/store/series/port.ts";
import type { Clickhouse } from "#test/kit/clickhouse.ts";
import { type SkippingClock, createSkippingClock } from "#test/kit/skipping-clock.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";
import { until } from "#test/kit/wait.ts";
import { retention } from "../series/rig.ts";

/** Nothing is waited for. */
export const atOnce = { settleS: 0, marginS: 0, freshS: 0 };

export type SeriesRig = AsyncDisposable & {
  readonly database: string;
  readonly clock: SkippingClock;
  readonly folder: Folder;
  readonly said: string[];
  /** the store that is open now */
  readonly store: ClickhouseSeries;
  /** Opens another store on what is on the disk, as after a kill; the one before says and does nothing any more. */
  kill(): Promise<void>;
  /** Lets so much time pass that what was taken is on the disk. */
  gather(): Promise<void>;
  /** Of one hub more, with a folder of its own. */
  openOther(options?: SeriesRigOptions): Promise<ClickhouseSeries>;
  /** What a statement answers, as text. */
  ask(sql: string): Promise<string>;
};

export type SeriesRigOptions = {
  readonly mostWaitingBytes?: number;
  readonly retention?: typeof retention;
};

export async function openSeriesRig(clickhouse: Clickhouse, options: SeriesRigOptions = {}): Promise<SeriesRig> {
  const url = await clickhouse.freshDatabase();
  const database = new URL(url).pathname.slice(1);
  const clock = createSkippingClock();
  const said: string[] = [];
  const folder = temporaryFolder();
  const folders = [folder];
  const client = await openClickhouse(url, { clock, log: { info: () => undefined }, cluster: null });
  const stores: ClickhouseSeries[] = [];
  const killed = new Set<number>();

  async function open(path: string, more: SeriesRigOptions = {}): Promise<ClickhouseSeries> {
    const life = stores.length;
    // of a hub that was killed, nothing is sent and no timer runs
    const world = {
      client: {
        ...client,
        insert: async (insert: Parameters<typeof client.insert>[0]) => {
          if (killed.has(life)) return await new Promise<void>(() => undefined);
          await client.insert(insert);
          if (killed.has(life)) return await new Promise<void>(() => undefined);
        },
      },
      clock: {
        ...clock,
        after: (ms: number, run: () => void) => clock.after(ms, () => killed.has(life) || run()),
      },
      dataDir: path,
      retention,
      warn: (message: string) => void said.push(message),
      pace: atOnce,
      ...options,
      ...more,
    };
    const store = await openClickhouseSeries(world);
    stores.push(store);
    return store;
  }

  let store = await open(folder.path);
  return {
    database,
    clock,
    folder,
    said,
    get store() {
      return store;
    },
    async kill() {
      killed.add(stores.indexOf(store));
      store = await open(folder.path);
    },
    async gather() {
      clock.skip(journalEveryMs);
      await until(() => store.figures().openBytes === 0);
    },
    async openOther(more) {
      const own = temporaryFolder();
      folders.push(own);
      return await open(own.path, more);
    },
    ask: async (sql) => (await clickhouse.ask(sql, database)).trim(),
    async [Symbol.asyncDispose]() {
      for (const [life, one] of stores.entries()) if (!killed.has(life)) await one.close();
      await client.close();
      for (const one of folders) await one[Symbol.asyncDispose]();
    },
  };
}
