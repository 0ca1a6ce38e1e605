/** State stores of several hubs on one database. */
import type { Cluster } from "#src/hub/store/cluster/port.ts";
import { createSoleHub } from "#src/hub/store/cluster/sole.ts";
import { openPostgres } from "#src/hub/store/postgres/connection.ts";
import { openPostgresState } from "#src/hub/store/postgres/state.ts";
import type { OpenedState } from "#src/hub/store/state.ts";
import { systemClock } from "#src/lib/clock.ts";

export type TestHub = AsyncDisposable & {
  readonly state: OpenedState;
  /** how often it was told that something was written after all */
  readonly surprises: () => number;
  readonly warnings: readonly string[];
};

export type TestHubOptions = {
  /** for a connection, and for the database to be back */
  readonly patienceMs?: number;
  readonly cluster?: Pick<Cluster, "hubId" | "signal" | "onSignal">;
};

export async function openHub(url: string, options: TestHubOptions = {}): Promise<TestHub> {
  const { patienceMs = 5000, cluster = createSoleHub() } = options;
  const warnings: string[] = [];
  const warn = (message: string) => void warnings.push(message);
  const log = { info: () => undefined, warn };
  const postgres = await openPostgres(url, { clock: systemClock, log, times: { connection: patienceMs } });
  let surprises = 0;
  const surprised = () => void surprises++;
  const state = await openPostgresState(postgres, { clock: systemClock, cluster, surprised, warn, patienceMs }).catch(
    async (error: unknown) => {
      await postgres.close();
      throw error;
    },
  );
  return {
    state,
    surprises: () => surprises,
    warnings,
    async [Symbol.asyncDispose]() {
      await state.close();
      await postgres.close();
    },
  };
}
