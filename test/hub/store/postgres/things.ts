/** Things to put into a state store. */
import { timestamp } from "#src/lib/clock.ts";
import { Fault } from "#src/protocol/fault.ts";
import type { TokenRow } from "#src/hub/store/port.ts";
import { failureOf } from "#test/kit/failure.ts";

export const started = (n: number) => ({
  type: "agent.started" as const,
  at: timestamp(1_700_000_000_000 + n),
  version: "1.0.0",
  reason: `boot ${n}`,
});
export const token = (id: string, maxUses: number | null): TokenRow => ({
  id,
  kind: "enrolment",
  organizationId: "o",
  projectId: "p1",
  name: "cloud-init",
  hint: "h",
  digest: new Uint8Array([1]),
  scopes: [],
  createdAtMs: 1,
  createdBy: null,
  expiresAtMs: null,
  maxUses,
  uses: 0,
  lastUsedAtMs: null,
});
/** The code of the Fault that a promise rejects with. */
export const codeOf = async (promise: Promise<unknown>) => {
  const error = await failureOf(promise);
  return error instanceof Fault ? error.code : error;
};
