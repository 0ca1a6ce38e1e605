/** Ending a session at the hub. */
import type { HubClient } from "./client.ts";
import { HubRefusal } from "./refusal.ts";

/** Signs out; a session that is dead already is fine. @throws {CliFault} the hub can't be reached, or refuses */
export async function signOut(hub: HubClient): Promise<void> {
  try {
    await hub.order({ method: "POST", path: "/api/auth/sign-out", withinMs: 10_000 });
  } catch (error) {
    if (error instanceof HubRefusal && error.status === 401) return;
    throw error;
  }
}
