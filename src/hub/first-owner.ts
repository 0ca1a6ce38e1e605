/** The owner that the settings name, for machines that nobody types at. */
import { readFileSync } from "node:fs";

import { Fault, reasonOf } from "#src/protocol/fault.ts";
import type { HubOperator } from "./operator.ts";
import type { HubSettings } from "./settings.ts";

/** Makes it, unless somebody has an account. Rejects with a Fault `invalid` when its password can't be read. */
export async function makeFirstOwner(
  { adminEmail, adminPasswordFile }: Pick<HubSettings, "adminEmail" | "adminPasswordFile">,
  accounts: { setupToken(): string | null },
  operator: Pick<HubOperator, "createOwner">,
  log: { info(message: string): void },
): Promise<void> {
  if (adminEmail === null || adminPasswordFile === null || accounts.setupToken() === null) return;
  try {
    await operator.createOwner({ email: adminEmail, password: readPassword(adminPasswordFile) });
    log.info(`made ${adminEmail} the first owner`);
  } catch (error) {
    // another hub, started at the same moment, has done it
    if (!(error instanceof Fault) || error.code !== "conflict") throw error;
  }
}

function readPassword(path: string): string {
  try {
    return readFileSync(path, "utf8").replace(/\r?\n$/, "");
  } catch (error) {
    throw new Fault("invalid", `can't read the password of the first owner from ${path}: ${reasonOf(error)}`, {
      hint: "Give this user the right to read adminPasswordFile",
      cause: error,
    });
  }
}
