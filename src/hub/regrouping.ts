/** Grouping errors anew for the hub's own command line: begun by one order, asked after by another. */
import { keep } from "#src/lib/keep.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import type { z } from "#src/protocol/schema.ts";
import type { Errors } from "./errors/errors.ts";
import type { regroupState } from "./operator.ts";

export type RegroupState = z.infer<typeof regroupState>;

export type Regrouping = {
  /** Begins. Throws a Fault `conflict` while it runs already. */
  readonly begin: (sinceMs: number) => RegroupState;
  readonly state: () => RegroupState;
};

/** `open` gives the groups that are to be made anew, whenever it is asked. */
export function createRegrouping(open: () => Promise<Pick<Errors, "regroup">>): Regrouping {
  let state: RegroupState = { state: "idle", lines: 0, ofLines: 0, events: 0, made: 0, absorbed: 0, problem: null };

  async function run(sinceMs: number): Promise<void> {
    const groups = await open();
    const report = await groups.regroup(sinceMs, (progress) => {
      state = { ...state, ...progress };
    });
    state = { ...state, ...report, state: "done" };
  }

  return {
    begin(sinceMs) {
      if (state.state === "running") {
        throw new Fault("conflict", "errors are being grouped anew already", { hint: "Wait until that is done" });
      }
      state = { state: "running", lines: 0, ofLines: 0, events: 0, made: 0, absorbed: 0, problem: null };
      // who began it asks how it went
      keep(run(sinceMs), (error) => {
        state = { ...state, state: "failed", problem: error instanceof Fault ? error.oneLine : reasonOf(error) };
      });
      return state;
    },
    state: () => state,
  };
}
