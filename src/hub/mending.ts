/** Mending the hub's files for its own command line: of a hub that runs by its control socket, else the files themselves. */
import { join } from "node:path";

import type { Clock } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import type { z } from "#src/protocol/schema.ts";
import { connectControl } from "./control.ts";
import type { HubOperator, repairState } from "./operator.ts";
import type { Repaired } from "./store/log-port.ts";
import { type DataRepair, repairData } from "./store/repair.ts";
import { copyName } from "./store/errors/shared-copying.ts";
import { livingDatabases } from "./store/whereabouts.ts";
import { type Whereabouts, storesOf, storesText } from "./whereabouts.ts";

export type RepairState = z.infer<typeof repairState>;

/** Begun by one order, asked after by another. */
export type Mending = {
  /** Begins. Throws a Fault `conflict` while it runs already. */
  readonly begin: () => RepairState;
  readonly state: () => RepairState;
};

const nothing = { mended: 0, blocks: 0, lines: 0, senders: 0, lost: [], problem: null };
/** Milliseconds between two questions whether it is done. */
const askEveryMs = 250;

export function createMending(repair: () => Promise<Repaired>): Mending {
  let state: RepairState = { state: "idle", ...nothing };

  async function run(): Promise<void> {
    const repaired = await repair();
    const lost = repaired.lost.map((one) => ({ ...one, problem: one.problem ?? "", sources: [...one.sources] }));
    state = { state: "done", ...repaired, lost, problem: null };
  }

  return {
    begin() {
      if (state.state === "running") {
        throw new Fault("conflict", "the log is being repaired already", { hint: "Wait until that is done" });
      }
      state = { state: "running", ...nothing };
      // who began it asks how it went
      keep(run(), (error) => {
        state = { ...state, state: "failed", problem: error instanceof Fault ? error.oneLine : reasonOf(error) };
      });
      return state;
    },
    state: () => state,
  };
}

/** What was mended; `running`: on a hub that runs, whose databases' structure is left alone. */
export type HubRepair = DataRepair & { readonly running: boolean };

/**
 * Mends what of the hub lies in its data folder. Rejects with a Fault `failed` when a hub that runs could not, `conflict`
 * when what is to be mended is elsewhere, and as `repairData` does.
 */
export async function repairHub(settings: Whereabouts, clock: Clock, signal: AbortSignal): Promise<HubRepair> {
  const { dataDir } = settings;
  const stores = storesOf(settings);
  const own = livingDatabases(stores);
  if (own.length === 0) {
    throw new Fault("conflict", `nothing in ${dataDir} is to be mended: the hub has its ${storesText(stores)}`, {
      hint: `Both are mended by their own means, see docs/hub.md. ${join(dataDir, copyName)} is a copy: with the hub stopped it can be deleted, and comes again`,
    });
  }
  const control = await connectControl(dataDir);
  if (control === undefined) return { running: false, ...(await repairData(dataDir, clock, own)) };
  if (stores.clickhouse !== null) {
    throw new Fault("conflict", "the hub runs, and its log is in ClickHouse, which repairs itself", {
      hint: `Stop the hub to mend the structure of ${own.join(", ")} in ${dataDir}`,
    });
  }
  return { running: true, structure: [], logs: await repairRunning(control, signal) };
}

async function repairRunning(control: HubOperator, signal: AbortSignal): Promise<Repaired> {
  let state = await control.repair({});
  while (state.state === "running") {
    await Bun.sleep(askEveryMs);
    // the hub goes on with it by itself
    signal.throwIfAborted();
    state = await control.repairProgress({});
  }
  const { problem, mended, blocks, lines, senders, lost } = state;
  if (state.state === "done") return { mended, blocks, lines, senders, lost };
  throw new Fault("failed", `the log could not be repaired: ${problem ?? "the hub's log says why"}`, {
    hint: "Stop the hub and repair it then: that mends more",
  });
}
