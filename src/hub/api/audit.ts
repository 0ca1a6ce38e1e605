/** The audit trail: what is kept of an act, and who a request is from in it. */
import { type Clock, timestamp } from "#src/lib/clock.ts";
import type { AuditAction, AuditEntry, AuditPage } from "#src/protocol/audit.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import type { Caller } from "./caller.ts";
import type { Audit } from "./ports.ts";
import type { Call } from "./route.ts";

/** Longest name or `User-Agent` that is kept, in characters; who sends them chooses their length. */
const maxText = 300;

/** Where the trail is kept. */
export type AuditStore = {
  addAudit(organizationId: string | null, entry: Omit<AuditEntry, "id">): Promise<void>;
  /** `unowned`: with what is nobody's, such as the failed sign-in of someone unknown */
  audit(search: Parameters<Audit["search"]>[0] & { readonly unowned: boolean }): Promise<AuditPage>;
};

export type AuditWorld = {
  readonly store: AuditStore;
  readonly clock: Pick<Clock, "now">;
  readonly warn: (message: string) => void;
  /** The only organization of this hub, which also sees what is nobody's; null: there are several, or none. */
  readonly soleOrganization: () => string | null;
};

/**
 * The trail over a store. `record` resolves when the entry is durable. It does not reject: what it tells of has
 * happened already, so an entry that can't be written goes into the hub's log instead.
 */
export function createAudit({ store, clock, warn, soleOrganization }: AuditWorld): Audit {
  return {
    async record(organizationId, entry) {
      const kept = { at: timestamp(clock.now()), ...entry };
      try {
        await store.addAudit(organizationId, kept);
      } catch (error) {
        warn(
          `the audit trail could not be written (${reasonOf(error)}): ${JSON.stringify({ organizationId, ...kept })}`,
        );
      }
    },
    search: (search) => store.audit({ ...search, unowned: soleOrganization() === search.organizationId }),
  };
}

/** Who did something and from where, as the trail keeps it. */
export type Trace = Pick<AuditEntry, "actor" | "address" | "userAgent" | "requestId">;

/** The part of a call that the trail keeps. */
export type Traced = Pick<Call, "request" | "address" | "requestId"> & { readonly caller: Caller };

export function traceOf({ request, address, requestId, caller }: Traced): Trace {
  const userAgent = request.headers.get("user-agent");
  return { actor: actorOf(caller), address, userAgent: userAgent === null ? null : cut(userAgent), requestId };
}

/** Who a caller is in the trail. */
export function actorOf(caller: Caller): AuditEntry["actor"] {
  switch (caller.kind) {
    case "person":
      return { kind: "person", id: caller.id, name: caller.email };
    case "key":
    case "enrolment":
      return { kind: caller.kind, id: caller.id, name: caller.name };
    case "agent":
    case "source":
    case "nobody":
      // agents and applications do nothing that leaves a trace
      return { kind: "nobody", id: null, name: "nobody" };
  }
}

export type Target = NonNullable<AuditEntry["target"]>;

/** Records what a caller of an organization did, with whom and where from taken from the call. */
export type Trail = (
  call: Omit<Traced, "caller"> & { readonly caller: Caller & { readonly organizationId: string } },
  action: AuditAction,
  target: Target,
  details?: Readonly<Record<string, unknown>>,
) => Promise<void>;

export function createTrail(audit: Audit): Trail {
  return async (call, action, target, details) => {
    const named = { ...target, name: cut(target.name) };
    const entry = { action, ...traceOf(call), target: named, ...(details === undefined ? {} : { details }) };
    await audit.record(call.caller.organizationId, entry);
  };
}

function cut(text: string): string {
  return text.length > maxText ? `${text.slice(0, maxText)}…` : text;
}
