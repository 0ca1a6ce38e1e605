/** What commands on the hub's own machine have in common: its folder, and its orders. */
import { systemClock } from "#src/lib/clock.ts";

import { createForegroundLog } from "../../foreground.ts";
import type { Session } from "../../session.ts";

export const dataDirFlag = {
  "data-dir": { type: "string", valueHint: "folder", description: "the hub's folder (/var/lib/orion)" },
} as const;

/** The hub's folder: flag, ORION_HUB_DATA_DIR, hub.json, default. */
export async function hubSettings(session: Session, dataDir: string | undefined) {
  const { readHubSettings } = await import("#src/hub/settings.ts");
  return readHubSettings(dataDir === undefined ? {} : { dataDir }, session.environment.variables, session.dir);
}

/** The world of a command: it says what is wrong, and what it waits for. */
export function commandWorld() {
  const log = createForegroundLog("warn");
  const info = (message: string) => (message.startsWith("waiting for ") ? log.warn(message) : log.info(message));
  return { clock: systemClock, log: { ...log, info } };
}

async function openOperator(session: Session, dataDir: string | undefined) {
  const settings = await hubSettings(session, dataDir);
  const { operateHub } = await import("#src/hub/hub.ts");
  return await operateHub(settings, commandWorld());
}

type Operator = Awaited<ReturnType<typeof openOperator>>["operator"];

/** Gives orders to the hub of this machine, running or not. */
export async function withOperator<T>(
  session: Session,
  dataDir: string | undefined,
  work: (operator: Operator) => Promise<T>,
): Promise<T> {
  const operation = await openOperator(session, dataDir);
  try {
    return await work(operation.operator);
  } finally {
    await operation.close();
  }
}
