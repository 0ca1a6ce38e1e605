/** The operator's orders, carried out on open rooms. */
import { timestamp } from "#src/lib/clock.ts";
import type { AuditAction, AuditEntry } from "#src/protocol/audit.ts";
import { Fault } from "#src/protocol/fault.ts";
import { type z, check } from "#src/protocol/schema.ts";
import { type HubOperator, type Order, orders } from "./operator.ts";
import type { Mending } from "./mending.ts";
import type { Regrouping } from "./regrouping.ts";
import type { Rooms } from "./rooms.ts";

const dayMs = 86_400_000;
const hourMs = 3_600_000;

/** The hub's own command line, in the audit trail. */
const actor: AuditEntry["actor"] = { kind: "hub", id: null, name: "command line" };

type Named = { readonly id: string; readonly name: string };

export type OperateWorld = {
  readonly rooms: Rooms;
  readonly now: () => number;
  /** the address of the setup page */
  readonly setupUrl: () => string;
  readonly regrouping: Regrouping;
  readonly mending: Mending;
};

export function createOperator({ rooms, now, setupUrl, regrouping, mending }: OperateWorld): HubOperator {
  const { accounts, projects, tokens, servers, audit } = rooms;

  async function organizationOf(wanted: string | undefined): Promise<Named> {
    const all = await accounts.organizations();
    const found = wanted === undefined ? all : all.filter((one) => one.id === wanted || same(one.name, wanted));
    const [first] = found;
    if (first !== undefined && found.length === 1) return first;
    if (all.length === 0) {
      throw new Fault("not-found", "the hub has no organization yet", { hint: "Make its first owner first" });
    }
    const names = all.map(({ name }) => `"${name}"`).join(", ");
    if (first === undefined)
      throw new Fault("not-found", `there is no organization "${wanted}"`, { hint: `There are ${names}` });
    throw new Fault("invalid", "there are several organizations", { hint: `Name one of ${names}, or its id` });
  }

  async function projectOf(organization: string | undefined, wanted: string | undefined) {
    const owner = await organizationOf(organization);
    const all = projects.of(owner.id);
    const [first] = all;
    const found =
      wanted === undefined
        ? all.length === 1
          ? first
          : all.find(({ name }) => same(name, "default"))
        : all.find(({ id, name }) => id === wanted || same(name, wanted));
    if (found !== undefined) return { ...found, organizationId: owner.id };
    const names = all.map(({ name }) => `"${name}"`).join(", ");
    const what = wanted === undefined ? "there are several projects" : `there is no project "${wanted}"`;
    throw new Fault(wanted === undefined ? "invalid" : "not-found", what, { hint: `Name one of ${names}` });
  }

  async function trace(
    organizationId: string,
    action: AuditAction,
    target: NonNullable<AuditEntry["target"]>,
    details?: Record<string, unknown>,
  ): Promise<void> {
    const where = { address: null, userAgent: null, requestId: null };
    await audit.record(organizationId, {
      action,
      actor,
      target,
      ...where,
      ...(details === undefined ? {} : { details }),
    });
  }

  return checked({
    createOwner: (owner) => accounts.createOwner(owner),
    people: async () => ({
      people: (await accounts.people()).map((one) => ({ ...one, memberships: [...one.memberships] })),
    }),
    async resetPassword({ email, password }) {
      await accounts.resetPassword(email, password);
      return {};
    },
    async createKey({ organization, name, scopes, expiresInDays }) {
      const { id: organizationId } = await organizationOf(organization);
      const expiresAtMs = expiresInDays == null ? null : now() + expiresInDays * dayMs;
      const { view, token } = await tokens.createKey({ organizationId, name, scopes, createdBy: null, expiresAtMs });
      await trace(organizationId, "key.created", { kind: "key", id: view.id, name }, { scopes });
      return { id: view.id, token };
    },
    async createSource({ organization, project, name }) {
      const owner = await projectOf(organization, project);
      const known = projects.sources(owner.id).find((source) => source.name === name);
      const { source, token } =
        known === undefined ? await projects.createSource(owner.id, name) : await projects.rotateSource(known.id);
      const action = known === undefined ? "source.created" : "source.token-rotated";
      await trace(owner.organizationId, action, { kind: "source", id: source.id, name }, { project: owner.name });
      return { id: source.id, token };
    },
    async createEnrolment({ organization, project, name, maxUses, expiresInHours }) {
      const { id: projectId, organizationId } = await projectOf(organization, project);
      const expiresAtMs = now() + expiresInHours * hourMs;
      const wanted = { organizationId, projectId, name, createdBy: null, expiresAtMs, maxUses };
      const { view, token } = await tokens.createEnrolment(wanted);
      const details = { maxUses, expiresAt: timestamp(expiresAtMs) };
      await trace(organizationId, "enrolment.created", { kind: "enrolment", id: view.id, name }, details);
      return { id: view.id, token };
    },
    async registerServer({ organization, project, hostname }) {
      const owner = await projectOf(organization, project);
      const { server, token } = await servers.register({ hostname, projectId: owner.id });
      await trace(owner.organizationId, "server.registered", { kind: "server", id: server.id, name: hostname });
      return { id: server.id, token };
    },
    regroup: async ({ since }) => regrouping.begin(Date.parse(since)),
    regroupProgress: async () => regrouping.state(),
    repair: async () => mending.begin(),
    repairProgress: async () => mending.state(),
    async setupLink() {
      const token = accounts.setupToken();
      return { link: token === null ? null : `${setupUrl()}#${token}` };
    },
  });
}

/** Orders carried out, given what their schemas have made of what was asked for. */
type Carried = {
  [O in Order]: (
    order: z.core.output<(typeof orders)[O]["takes"]>,
  ) => Promise<z.core.output<(typeof orders)[O]["gives"]>>;
};

function checked(carried: Carried): HubOperator {
  const entries = Object.entries(carried).map(([name, carry]) => [
    name,
    async (order: unknown) =>
      await (carry as (order: unknown) => Promise<unknown>)(check(orders[name as Order].takes, order, "the order")),
  ]);
  return Object.fromEntries(entries) as HubOperator;
}

const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();
