/**
 * An authenticator's code is good once (RFC 6238 section 5.2), though it would be right for a minute and a half. What was
 * used is kept among better-auth's verifications, so that a restart forgets none, and other hubs know them, too.
 */
import { hash } from "node:crypto";

import type { Clock } from "#src/lib/clock.ts";
import type { Engine } from "./engine.ts";

/** A code is accepted in its own 30 seconds, and in those before and after. */
const goodForMs = 90_000;
const model = "verification";

type Row = { readonly id: string; readonly expiresAt: Date };

export type UsedCodes = {
  /** False: this person's code was used already. */
  take(personId: string, code: string): Promise<boolean>;
};

export function createUsedCodes(
  adapter: Pick<Engine["adapter"], "create" | "findOne" | "deleteMany">,
  clock: Pick<Clock, "now">,
): UsedCodes {
  /** Whether it was not there. */
  async function add(id: string, now: number): Promise<boolean> {
    const at = new Date(now);
    const dates = { expiresAt: new Date(now + goodForMs), createdAt: at, updatedAt: at };
    try {
      await adapter.create({ model, data: { id, identifier: id, value: "used", ...dates }, forceAllowId: true });
      return true;
    } catch (error) {
      // its id is the key: only one can have added it
      const row = await adapter.findOne<Row>({ model, where: [{ field: "id", value: id }] });
      if (row === null) throw error;
      return false;
    }
  }

  return {
    async take(personId, code) {
      const now = clock.now();
      const id = `used-code-${hash("sha256", `${personId} ${code}`, "base64url")}`;
      // the same six digits come again after years
      const past = { field: "expiresAt", operator: "lte" as const, value: new Date(now) };
      await adapter.deleteMany({ model, where: [{ field: "id", value: id }, past] });
      return await add(id, now);
    },
  };
}
