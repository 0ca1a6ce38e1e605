/** The operator of a hub for its own command line, whether the hub runs or not. */
import { Fault } from "#src/protocol/fault.ts";
import { connectControl } from "./control.ts";
import { storedErrorGroups } from "./error-groups.ts";
import { createMending } from "./mending.ts";
import { createOperator } from "./operate.ts";
import type { HubOperator } from "./operator.ts";
import { createRegrouping } from "./regrouping.ts";
import { openRooms } from "./rooms.ts";
import type { HubSettings } from "./settings.ts";
import type { HubWorld } from "./world.ts";

/** An operator to be given back. */
export type Operation = { readonly operator: HubOperator; readonly close: () => Promise<void> };

/**
 * The operator of the hub on this data folder: of the one that runs there, by its socket, else on its files, which
 * nobody else can use meanwhile.
 */
export async function operateHub(settings: HubSettings, world: HubWorld): Promise<Operation> {
  const control = await connectControl(settings.dataDir);
  if (control !== undefined) return { operator: control, close: async () => undefined };
  const notRunning = () => {
    throw new Fault("unavailable", "the hub does not run here", {
      hint: "It prints the setup link when it starts; of several hubs, each has the same",
    });
  };
  const rooms = await openRooms(settings, world);
  const stored = storedErrorGroups(settings, rooms, world);
  const regrouping = createRegrouping(() => stored.open());
  // of a hub that does not run, `repairHub` mends the files themselves
  const mending = createMending(async () => {
    throw new Fault("unavailable", "the hub does not run");
  });
  const operator = createOperator({ rooms, now: () => world.clock.now(), setupUrl: notRunning, regrouping, mending });
  const close = async () => {
    await stored.close();
    await rooms.close();
  };
  return { operator, close };
}
