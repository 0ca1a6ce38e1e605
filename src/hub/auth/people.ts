/** People come to be: the first owner, owners made by the hub's command line, and those who are invited. */
import type { Role } from "#src/protocol/access.ts";
import { Fault } from "#src/protocol/fault.ts";
import type { Engine } from "./engine.ts";
import { type OrganizationRow, type Records, type UserRow, createRecords } from "./records.ts";

export type NewOwner = {
  readonly email: string;
  readonly password: string;
  readonly name?: string | undefined;
  readonly organization?: string | undefined;
};

export type MadeOwner = {
  readonly user: UserRow;
  readonly organization: { readonly id: string; readonly name: string };
  /** the organization was made, too */
  readonly founded: boolean;
};

export type PersonView = {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly twoFactor: boolean;
  readonly memberships: { readonly organization: string; readonly role: Role }[];
};

/** What an organization is called whose founder didn't say. */
export const defaultOrganization = "Default";

export type People = ReturnType<typeof createPeople>;

export function createPeople(engine: Engine, records: Records) {
  const { context } = engine;

  /** Frees an address whose account belongs to no organization: a crash between two steps leaves one behind. */
  async function freeAddress(email: string): Promise<void> {
    const user = await records.userByEmail(email);
    if (user === null) return;
    if ((await records.memberships(user.id)).length > 0) {
      throw new Fault("conflict", `${email} has an account already`);
    }
    await records.deleteUser(user.id);
  }

  return {
    /** Whether somebody with this address can sign in. */
    async known(email: string): Promise<boolean> {
      const user = await records.userByEmail(email);
      return user !== null && (await records.memberships(user.id)).length > 0;
    },

    /**
     * An owner of the named organization, of the only one, or of a new one.
     * @throws {Fault} `conflict`: the address has an account
     */
    async createOwner(owner: NewOwner): Promise<MadeOwner> {
      const passwordHash = await context.password.hash(owner.password);
      await freeAddress(owner.email);
      const organizations = await records.organizations();
      const existing = find(organizations, owner.organization);
      const id = existing?.id ?? context.generateId({ model: "organization" });
      if (typeof id !== "string") throw new Fault("failed", "no id for the organization could be made");
      const organization = { id, name: existing?.name ?? owner.organization ?? defaultOrganization };
      const user = await context.adapter.transaction(async (transaction) => {
        const within = createRecords(transaction);
        if (existing === undefined) await within.createOrganization(organization.id, organization.name);
        const user = await within.createPerson({ email: owner.email, name: nameOf(owner), passwordHash });
        await within.createMember(organization.id, user.id, "owner");
        return user;
      });
      return { user, organization, founded: existing === undefined };
    },

    /** Somebody new who was invited. */
    async createInvited(
      invitation: { readonly id: string; readonly organizationId: string; readonly email: string; readonly role: Role },
      answer: { readonly name?: string | undefined; readonly password: string },
    ): Promise<UserRow> {
      const { email, organizationId, role } = invitation;
      const passwordHash = await context.password.hash(answer.password);
      await freeAddress(email);
      return await context.adapter.transaction(async (transaction) => {
        const within = createRecords(transaction);
        const user = await within.createPerson({ email, name: nameOf({ email, name: answer.name }), passwordHash });
        await within.createMember(organizationId, user.id, role);
        await within.setInvitation(invitation.id, "accepted");
        return user;
      });
    },

    /** Everybody who has an account, by address. */
    async list(): Promise<readonly PersonView[]> {
      const names = new Map((await records.organizations()).map(({ id, name }) => [id, name]));
      const people = await Promise.all(
        (await records.users()).map(async ({ id, email, name, twoFactorEnabled }) => ({
          id,
          email,
          name,
          twoFactor: twoFactorEnabled === true,
          memberships: (await records.memberships(id)).map(({ organizationId, role }) => ({
            organization: names.get(organizationId) ?? "",
            role,
          })),
        })),
      );
      return people.sort((a, b) => (a.email < b.email ? -1 : 1));
    },

    /**
     * A new password for somebody who lost theirs. Their second factor is gone, and all their sessions end.
     * @throws {Fault} `not-found`
     */
    async resetPassword(email: string, password: string): Promise<UserRow> {
      const hash = await context.password.hash(password);
      const user = await records.userByEmail(email);
      if (user === null) throw new Fault("not-found", `nobody has an account with the address ${email}`);
      const account = await context.internalAdapter.findCredentialAccount(user.id);
      if (account === null) {
        await context.internalAdapter.linkAccount({
          userId: user.id,
          providerId: "credential",
          accountId: user.id,
          password: hash,
        });
      } else await context.internalAdapter.updatePassword(user.id, hash);
      await context.internalAdapter.updateUser(user.id, { twoFactorEnabled: false });
      await context.adapter.deleteMany({ model: "twoFactor", where: [{ field: "userId", value: user.id }] });
      await records.deleteDevices(user.id);
      await context.internalAdapter.deleteUserSessions(user.id);
      return user;
    },
  };
}

/** The organization meant: the one of this name, case ignored, or without a name the hub's first. */
function find(organizations: readonly OrganizationRow[], name: string | undefined): OrganizationRow | undefined {
  if (name === undefined) return organizations[0];
  return organizations.find((one) => one.name.toLowerCase() === name.toLowerCase());
}

function nameOf({ email, name }: { readonly email: string; readonly name?: string | undefined }): string {
  return name ?? email.split("@")[0] ?? email;
}
