/** What the hub's own command line may do, on the hub's machine: the ground from which everything else is given out. */
import { displayName, email, password, scopes } from "#src/protocol/access.ts";
import { sourceName } from "#src/protocol/log.ts";
import { hostname } from "#src/protocol/project.ts";
import { z } from "#src/protocol/schema.ts";

/** Which organization an order is about: its name or id; left out: the only one. */
const organization = z.optional(displayName);
/** Name or id of a project; left out: the only one, or "default". */
const project = z.optional(displayName);

const newOwner = z.object({ email, password, name: z.optional(displayName), organization });
const owner = z.object({ id: z.string(), email: z.string(), organizationId: z.string(), organization: z.string() });
const passwordReset = z.object({ email, password });
const person = z.object({
  id: z.string(),
  email: z.string(),
  name: z.string(),
  twoFactor: z.boolean(),
  memberships: z.array(z.object({ organization: z.string(), role: z.string() })),
});
const newKey = z.object({
  organization,
  name: displayName,
  scopes: z.array(z.enum(scopes)).check(z.minLength(1)),
  expiresInDays: z.optional(z.nullable(z.number().check(z.positive(), z.maximum(3650)))),
});
const newSource = z.object({ organization, project, name: sourceName });
const newEnrolment = z.object({
  organization,
  project,
  name: z._default(displayName, "enrolment"),
  maxUses: z._default(z.number().check(z.minimum(1), z.maximum(100_000), z.multipleOf(1)), 1),
  expiresInHours: z._default(z.number().check(z.minimum(1), z.maximum(8760)), 24),
});
const newServer = z.object({ organization, project, hostname });
const token = z.object({ id: z.string(), token: z.string() });
const setupLink = z.object({ link: z.nullable(z.string()) });
const nothing = z.object({});
/** How mending the log is going. `lost`: what was put aside, as far as it can be told. */
export const repairState = z.object({
  state: z.enum(["idle", "running", "done", "failed"]),
  /** blocks that were made anew, and blocks and lines that were put aside */
  mended: z.number(),
  blocks: z.number(),
  lines: z.number(),
  /** senders of which nothing is remembered any more */
  senders: z.number(),
  lost: z.array(
    z.object({
      block: z.string(),
      problem: z.string(),
      lines: z.number(),
      firstMs: z.number(),
      lastMs: z.number(),
      serverId: z.string(),
      sources: z.array(z.string()),
    }),
  ),
  /** why it failed */
  problem: z.nullable(z.string()),
});
const newRegroup = z.object({ since: z.iso.datetime() });
/** How grouping errors anew is going; the figures are those of the last time once it is over. */
export const regroupState = z.object({
  state: z.enum(["idle", "running", "done", "failed"]),
  /** read, and to be read */
  lines: z.number(),
  ofLines: z.number(),
  events: z.number(),
  /** groups that did not exist, and groups that are part of another one now */
  made: z.number(),
  absorbed: z.number(),
  /** why it failed */
  problem: z.nullable(z.string()),
});

/** Every order with what it takes and what it gives; the control socket and its client are made from this. */
export const orders = {
  /** An owner of the named organization, of the first one, or of a new one. Fault `conflict`: known address. */
  createOwner: { takes: newOwner, gives: owner },
  people: { takes: nothing, gives: z.object({ people: z.array(person) }) },
  /** Ends all sessions of the person, and takes the second factor away. Fault `not-found`. */
  resetPassword: { takes: passwordReset, gives: nothing },
  createKey: { takes: newKey, gives: token },
  /** A source with a new token; one that is there keeps its id. */
  createSource: { takes: newSource, gives: token },
  createEnrolment: { takes: newEnrolment, gives: token },
  /** A server with a new token; one that is there keeps its id. */
  registerServer: { takes: newServer, gives: token },
  /** Begins to mend the log. Fault `conflict`: that is being done already; `unavailable`: the hub does not run. */
  repair: { takes: nothing, gives: repairState },
  repairProgress: { takes: nothing, gives: repairState },
  /** The one-time link to make the first owner; null once there is one. */
  setupLink: { takes: nothing, gives: setupLink },
  /** Begins to group errors anew from what was logged since then. Fault `conflict`: that is being done already. */
  regroup: { takes: newRegroup, gives: regroupState },
  regroupProgress: { takes: nothing, gives: regroupState },
} as const satisfies Record<string, { readonly takes: z.core.$ZodType; readonly gives: z.core.$ZodType }>;

export type Order = keyof typeof orders;

/** All of it, as functions. They reject with Faults. */
export type HubOperator = {
  [O in Order]: (
    order: z.core.input<(typeof orders)[O]["takes"]>,
  ) => Promise<z.core.output<(typeof orders)[O]["gives"]>>;
};
