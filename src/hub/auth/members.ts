/** Members of an organization and their roles. Every organization keeps an owner. */
import { timestamp } from "#src/lib/clock.ts";
import { type Role, grants } from "#src/protocol/access.ts";
import type { Member, Organization } from "#src/protocol/account.ts";
import { Fault } from "#src/protocol/fault.ts";
import type { Engine } from "./engine.ts";
import type { SignedInPerson } from "./ports.ts";
import { type MemberRow, type Records, createRecords } from "./records.ts";

export type Members = ReturnType<typeof createMembers>;

export function createMembers(engine: Engine, records: Records) {
  async function view(row: MemberRow): Promise<Member | undefined> {
    const user = await records.user(row.userId);
    if (user === null) return undefined;
    return {
      id: user.id,
      email: user.email,
      name: user.name,
      role: row.role,
      since: timestamp(row.createdAt.valueOf()),
    };
  }

  /** @throws {Fault} `not-found` */
  async function find(organizationId: string, personId: string): Promise<MemberRow & { readonly shown: Member }> {
    const row = await records.member(organizationId, personId);
    const shown = row === null ? undefined : await view(row);
    if (row === null || shown === undefined) throw new Fault("not-found", "there is no such member");
    return { ...row, shown };
  }

  /** @throws {Fault} `conflict`: there is no other owner than this one */
  async function keepOwner(row: MemberRow): Promise<void> {
    if (row.role !== "owner") return;
    const owners = (await records.members(row.organizationId)).filter(({ role }) => role === "owner");
    if (owners.length > 1) return;
    throw new Fault("conflict", "an organization must keep an owner", { hint: "Make somebody else an owner first" });
  }

  return {
    async organization(caller: SignedInPerson): Promise<Organization> {
      const { organizationId } = caller;
      const found = await records.organization(organizationId);
      if (found === null) throw new Fault("not-found", "there is no such organization");
      const members = await Promise.all((await records.members(organizationId)).map(view));
      const manages = grants[caller.role].includes("manage:organization");
      const pending = manages ? await records.pendingInvitations({ organizationId }) : [];
      return {
        id: found.id,
        name: found.name,
        members: members.filter((one) => one !== undefined),
        invitations: pending.map(({ id, email, role, expiresAt }) => ({
          id,
          email,
          role,
          expiresAt: timestamp(expiresAt.valueOf()),
        })),
      };
    },

    async changeRole(organizationId: string, personId: string, role: Role): Promise<{ member: Member; before: Role }> {
      const row = await find(organizationId, personId);
      if (role !== "owner") await keepOwner(row);
      await records.setRole(organizationId, personId, role);
      return { member: { ...row.shown, role }, before: row.role };
    },

    /**
     * Their sessions in this organization end. Who belongs to no other one has no account any more: nothing would be
     * left to sign in to, and who is invited again chooses a new password.
     */
    async remove(organizationId: string, personId: string): Promise<Member> {
      const row = await find(organizationId, personId);
      await keepOwner(row);
      const others = (await records.memberships(personId)).filter((one) => one.organizationId !== organizationId);
      const sessions = await records.sessionsIn(organizationId, personId);
      await engine.context.internalAdapter.deleteSessions(sessions.map(({ token }) => token));
      await engine.context.adapter.transaction(async (transaction) => {
        const within = createRecords(transaction);
        await within.deleteMember(organizationId, personId);
        if (others.length === 0) await within.deleteUser(personId);
      });
      return row.shown;
    },
  };
}
