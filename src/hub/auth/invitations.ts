/** Invitations by link. The link's token is made from the invitation's id and the hub's secret, and kept nowhere. */
import { createHmac, timingSafeEqual } from "node:crypto";

import { timestamp } from "#src/lib/clock.ts";
import type { Role } from "#src/protocol/access.ts";
import type { InvitationView, NewInvitation } from "#src/protocol/account.ts";
import { Fault } from "#src/protocol/fault.ts";
import type { Engine } from "./engine.ts";
import type { SignedInPerson } from "./ports.ts";
import type { People } from "./people.ts";
import { type InvitationRow, type Records, type UserRow, createRecords } from "./records.ts";

const validMs = 7 * 86_400_000;
/** Open invitations of one organization. */
const maxOpen = 1000;
/** Characters of a SHA-256 in base64url. */
const macLength = 43;

export type InvitationsWorld = {
  readonly engine: Engine;
  readonly records: Records;
  readonly people: People;
  readonly key: Uint8Array;
  readonly origin: () => string;
};

export type Invitations = ReturnType<typeof createInvitations>;

export function createInvitations({ engine, records, people, key, origin }: InvitationsWorld) {
  const macOf = (id: string) => createHmac("sha256", key).update(id).digest("base64url");

  /** @throws {Fault} `not-found` */
  async function find(token: string): Promise<InvitationRow & { readonly organization: string }> {
    const id = token.slice(0, -macLength);
    const given = Buffer.from(token.slice(-macLength));
    const right = Buffer.from(macOf(id));
    const genuine = given.length === right.length && timingSafeEqual(given, right);
    const row = genuine ? await records.invitation(id) : null;
    const organization = row === null ? null : await records.organization(row.organizationId);
    if (row === null || organization === null || row.status !== "pending" || row.expiresAt <= new Date()) {
      throw new Fault("not-found", "this invitation is not good any more: it was used, taken back, or has expired", {
        hint: "Ask who invited you for a new link",
      });
    }
    return { ...row, organization: organization.name };
  }

  async function join(row: InvitationRow, user: UserRow): Promise<void> {
    if ((await records.member(row.organizationId, user.id)) !== null) {
      throw new Fault("conflict", "you are a member of this organization already");
    }
    await engine.context.adapter.transaction(async (transaction) => {
      const within = createRecords(transaction);
      await within.createMember(row.organizationId, user.id, row.role);
      await within.setInvitation(row.id, "accepted");
    });
  }

  return {
    find,
    join,

    async invite(caller: SignedInPerson, email: string, role: Role): Promise<NewInvitation> {
      const { organizationId } = caller;
      const user = await records.userByEmail(email);
      if (user !== null && (await records.member(organizationId, user.id)) !== null) {
        throw new Fault("conflict", `${email} is a member already`);
      }
      const open = await records.pendingInvitations({ organizationId });
      if (open.length >= maxOpen) {
        throw new Fault("conflict", `this organization has ${maxOpen} open invitations`, { hint: "Take some back" });
      }
      // the newest link is the one that works
      for (const earlier of open) if (earlier.email === email) await records.setInvitation(earlier.id, "canceled");
      const expiresAt = new Date(Date.now() + validMs);
      const row = await records.createInvitation({ organizationId, email, role, expiresAt, inviterId: caller.id });
      const link = `${origin()}/invite/${row.id}${macOf(row.id)}`;
      return { id: row.id, email, role, expiresAt: timestamp(expiresAt.valueOf()), link };
    },

    /** undefined: no such open invitation in this organization. */
    async revoke(caller: SignedInPerson, id: string): Promise<{ email: string } | undefined> {
      const row = await records.invitation(id);
      if (row === null || row.organizationId !== caller.organizationId || row.status !== "pending") return undefined;
      await records.setInvitation(id, "canceled");
      return { email: row.email };
    },

    async view(token: string): Promise<InvitationView> {
      const { organization, email, role } = await find(token);
      return { organization, email, role, known: await people.known(email) };
    },
  };
}
