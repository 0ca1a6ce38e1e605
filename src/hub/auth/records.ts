/** The tables that better-auth and its organization plugin keep, as far as this room reads and writes them itself. */
import { type Role, roles } from "#src/protocol/access.ts";
import type { Engine } from "./engine.ts";

export type UserRow = {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly twoFactorEnabled?: boolean | null | undefined;
};
export type OrganizationRow = {
  readonly id: string;
  readonly name: string;
  readonly createdAt: Date;
  readonly metadata?: string | null | undefined;
};
export type MemberRow = {
  readonly id: string;
  readonly organizationId: string;
  readonly userId: string;
  readonly role: Role;
  readonly createdAt: Date;
};
export type InvitationRow = {
  readonly id: string;
  readonly organizationId: string;
  readonly email: string;
  readonly role: Role;
  readonly status: string;
  readonly expiresAt: Date;
};
export type SessionRow = {
  readonly id: string;
  readonly userId: string;
  readonly token: string;
  readonly expiresAt: Date;
  readonly createdAt: Date;
  readonly ipAddress?: string | null | undefined;
  readonly userAgent?: string | null | undefined;
  readonly activeOrganizationId?: string | null | undefined;
};

type Adapter = Engine["context"]["adapter"];
type Values = Readonly<Record<string, string>>;

const where = (values: Values) => Object.entries(values).map(([field, value]) => ({ field, value }));
/** More than an organization or a hub has; better-auth's own default is 100. */
const all = 100_000;

/** Reads and writes over an adapter, or over a transaction of it. */
export function createRecords(adapter: Pick<Adapter, "findOne" | "findMany" | "create" | "update" | "deleteMany">) {
  const one = <Row>(model: string, values: Values) => adapter.findOne<Row>({ model, where: where(values) });
  const many = <Row>(model: string, values: Values, sortBy = "createdAt") =>
    adapter.findMany<Row>({ model, where: where(values), limit: all, sortBy: { field: sortBy, direction: "asc" } });

  return {
    user: (id: string) => one<UserRow>("user", { id }),
    userByEmail: (email: string) => one<UserRow>("user", { email }),
    users: () => many<UserRow>("user", {}),
    /** Oldest first. */
    organizations: () => many<OrganizationRow>("organization", {}),
    organization: (id: string) => one<OrganizationRow>("organization", { id }),
    members: async (organizationId: string) => (await many<MemberRow>("member", { organizationId })).map(readMember),
    /** What a person belongs to, oldest first. */
    memberships: async (userId: string) => (await many<MemberRow>("member", { userId })).map(readMember),
    async member(organizationId: string, userId: string) {
      const row = await one<MemberRow>("member", { organizationId, userId });
      return row === null ? null : readMember(row);
    },
    async anyOwner() {
      return (await one<MemberRow>("member", { role: "owner" })) !== null;
    },
    createOrganization: (id: string, name: string) =>
      adapter.create<Record<string, unknown>>({
        model: "organization",
        // its slug is of no use to anybody here, but must be there and unique
        data: { id, name, slug: id, createdAt: new Date() },
        forceAllowId: true,
      }),
    renameOrganization: (id: string, name: string) =>
      adapter.update({ model: "organization", where: where({ id }), update: { name } }),
    setMetadata: (id: string, metadata: string) =>
      adapter.update({ model: "organization", where: where({ id }), update: { metadata } }),
    createMember: (organizationId: string, userId: string, role: Role) =>
      adapter.create({ model: "member", data: { organizationId, userId, role, createdAt: new Date() } }),
    setRole: (organizationId: string, userId: string, role: Role) =>
      adapter.update({ model: "member", where: where({ organizationId, userId }), update: { role } }),
    deleteMember: (organizationId: string, userId: string) =>
      adapter.deleteMany({ model: "member", where: where({ organizationId, userId }) }),
    invitation: (id: string) => one<InvitationRow>("invitation", { id }),
    pendingInvitations: async (values: { readonly organizationId: string } | { readonly email: string }) => {
      const rows = await many<InvitationRow>("invitation", { ...values, status: "pending" }, "expiresAt");
      return rows.filter((row) => row.expiresAt > new Date());
    },
    createInvitation: (invitation: Omit<InvitationRow, "id" | "status"> & { readonly inviterId: string }) =>
      adapter.create<Record<string, unknown>, InvitationRow>({
        model: "invitation",
        data: { ...invitation, status: "pending", createdAt: new Date() },
      }),
    setInvitation: (id: string, status: "accepted" | "canceled") =>
      adapter.update({ model: "invitation", where: where({ id }), update: { status } }),
    sessionsIn: (organizationId: string, userId: string) =>
      many<SessionRow>("session", { userId, activeOrganizationId: organizationId }),
    /** Devices that a person approved and that have not come for their session. */
    deleteDevices: (userId: string) => adapter.deleteMany({ model: "deviceCode", where: where({ userId }) }),
    /** Somebody with a password; the address counts as proven, because an owner or an invitation vouched for it. */
    async createPerson(person: { readonly email: string; readonly name: string; readonly passwordHash: string }) {
      const dates = { createdAt: new Date(), updatedAt: new Date() };
      const { email, name, passwordHash: password } = person;
      const user = await adapter.create<Record<string, unknown>, UserRow>({
        model: "user",
        data: { email, name, emailVerified: true, ...dates },
      });
      await adapter.create({
        model: "account",
        data: { userId: user.id, providerId: "credential", accountId: user.id, password, ...dates },
      });
      return user;
    },
    /** With everything that is the person's; the foreign keys cascade. */
    deleteUser: (id: string) => adapter.deleteMany({ model: "user", where: where({ id }) }),
  };
}

export type Records = ReturnType<typeof createRecords>;

/** A role that is none of ours, written by hand or by another version, is the least of them. */
function readMember(row: MemberRow): MemberRow {
  return roles.includes(row.role) ? row : { ...row, role: "viewer" };
}
