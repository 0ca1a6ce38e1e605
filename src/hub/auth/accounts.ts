/**
 * The door of sign-in: people, their organizations, and how they come in. better-auth does the work behind it, and
 * nothing of it can be reached but what stands here.
 */
import { randomBytes } from "node:crypto";

import type { Cancel, Clock } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import type { Role } from "#src/protocol/access.ts";
import type { Person, SignInMethods } from "#src/protocol/account.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import { type Attempt, createAttempts } from "./attempts.ts";
import { type DeviceWish, createDevices } from "./devices.ts";
import { type EngineWorld, openEngine } from "./engine.ts";
import { translated } from "./faults.ts";
import { engineHeaders } from "./headers.ts";
import { openFounding } from "./founding.ts";
import { createInvitations } from "./invitations.ts";
import { createMembers } from "./members.ts";
import { createOidc } from "./oidc.ts";
import { type NewOwner, createPeople } from "./people.ts";
import type { AuditTrail, Cookies, DeviceRecords, From, OidcSettings, SignedInPerson } from "./ports.ts";
import { createQueue } from "./queue.ts";
import { createRecords } from "./records.ts";
import { createSessions } from "./sessions.ts";

export type { NewOwner, PersonView } from "./people.ts";
export type { OidcSettings } from "./ports.ts";

/** The hub's own command line, in the audit trail. */
const byHub = {
  actor: { kind: "hub", id: null, name: "command line" },
  address: null,
  userAgent: null,
  requestId: null,
} as const;
/** What is past its time is deleted this often. */
const tidyEveryMs = 3_600_000;

export type AccountsWorld = EngineWorld & {
  readonly clock: Clock;
  readonly oidc: OidcSettings | null;
  readonly devices: DeviceRecords;
  readonly audit: AuditTrail;
  /** told of every new organization before anybody can sign in to it; again after a crash in between */
  readonly onOrganization: (organizationId: string) => Promise<void>;
  /** told of whatever has changed of people, sessions and organizations ("" is any), for other hubs to `refresh` */
  readonly changed?: (organizationId: string) => void;
};

/** An owner as the hub's command line is told of it. */
export type OwnerView = {
  readonly id: string;
  readonly email: string;
  readonly organizationId: string;
  readonly organization: string;
};

export type Accounts = Awaited<ReturnType<typeof createAccounts>>;

/**
 * Opens sign-in: brings its tables up to date and looks whether there is an owner.
 * @throws {Fault} `failed`
 */
export async function createAccounts(world: AccountsWorld) {
  const { clock, secret, database, devices: deviceRecords, audit, log, changed = () => undefined } = world;
  const exclusively = database.shared?.exclusively ?? (<T>(work: () => Promise<T>) => work());
  // links that are made before the hub listens would lead nowhere; there are none
  let address = "http://localhost";
  const origin = () => address;
  const engine = await openEngine(world);
  const { api, context } = engine;
  const records = createRecords(context.adapter);
  const sessions = createSessions(engine, records, clock, () => changed(""));
  const people = createPeople(engine, records);
  const attempts = createAttempts(engine, records, sessions, clock);
  const members = createMembers(engine, records);
  const key = secret.derive("invitations");
  const invitations = createInvitations({ engine, records, people, key, origin });
  const devices = createDevices({ engine, records: deviceRecords, origin });
  const oidc =
    world.oidc === null
      ? null
      : createOidc({ settings: world.oidc, engine, records, sessions, invitations, origin, change, clock, log });
  // who belongs to what is read and then written: never by two at once
  const changes = createQueue();
  const { onOrganization } = world;
  const founding = await exclusively(() => openFounding({ records, people, onOrganization, createToken }));
  let cancelTidying: Cancel | undefined;
  tidy();

  /**
   * New at each start. People may open the link on any of several hubs, so those have one that their secret makes, together
   * with something of their database: it is good for no other database that has hubs with the same secret.
   */
  async function createToken(): Promise<string> {
    if (database.shared === undefined) return randomBytes(32).toString("base64url");
    const salt = await database.shared.agree("setup link", randomBytes(16).toString("hex"));
    return Buffer.from(secret.derive(`setup link ${salt}`)).toString("base64url");
  }

  function change<T>(work: () => Promise<T>): Promise<T> {
    return changes.run(async () => {
      try {
        return await exclusively(work);
      } finally {
        sessions.forget();
      }
    });
  }

  function tidy(): void {
    const expired = [{ field: "expiresAt", operator: "lt" as const, value: new Date(clock.now()) }];
    const work = async () => {
      for (const model of ["session", "deviceCode", "verification"]) {
        await context.adapter.deleteMany({ model, where: expired });
      }
    };
    keep(changes.run(work), (error) =>
      log.warn(`expired sessions could not be deleted, it is tried again: ${reasonOf(error)}`),
    );
    cancelTidying = clock.after(tidyEveryMs, tidy);
  }

  return {
    /** Tells under which address people reach the hub, without a slash at its end. Links are made with it. */
    setOrigin(origin: string): void {
      address = origin;
    },
    /** Name of the cookie that holds a session. */
    cookieName: context.authCookies.sessionToken.name,
    /** Id of the hub's organization if there is exactly one. */
    soleOrganization: () => founding.soleOrganization(),
    /** The token of the setup link; null: there is an owner. */
    setupToken: () => founding.setupToken(),
    /** Who a request is from, by its session's cookie or bearer token. */
    identify: (request: Request): Promise<SignedInPerson | null> => sessions.identify(request),

    methods(): SignInMethods {
      const setup = founding.setupToken() !== null;
      return { setup, oidc: setup || world.oidc === null ? null : { name: world.oidc.name } };
    },

    async setup(from: From, owner: NewOwner & { readonly token: string }): Promise<Attempt> {
      await change(() => founding.found(owner));
      return await attempts.signIn(from, owner.email, owner.password);
    },

    signIn: (from: From, email: string, password: string) => attempts.signIn(from, email, password),
    secondFactor: (from: From, code: string) => attempts.secondFactor(from, code),
    signOut: (from: From) => sessions.signOut(from),
    signOutEverywhere: (from: From, caller: SignedInPerson) => sessions.signOutEverywhere(from, caller),
    session: (from: From, caller: SignedInPerson) => sessions.session(from, caller),
    chooseOrganization: (from: From, caller: SignedInPerson, id: string) => sessions.choose(from, caller, id),
    sessions: (caller: SignedInPerson) => sessions.list(caller),
    endSession: (caller: SignedInPerson, id: string) => sessions.end(caller, id),

    async rename(caller: SignedInPerson, name: string): Promise<Person> {
      await context.internalAdapter.updateUser(caller.id, { name });
      sessions.forget();
      const user = await records.user(caller.id);
      return { id: caller.id, email: caller.email, name, twoFactor: user?.twoFactorEnabled === true };
    },

    async changePassword(from: From, caller: SignedInPerson, current: string, next: string): Promise<void> {
      const body = { currentPassword: current, newPassword: next };
      await translated(() => api.changePassword({ body, headers: engineHeaders(from) }));
      await sessions.endOthers(caller);
    },

    enableTwoFactor: (from: From, password: string) => attempts.enable(from, password),
    confirmTwoFactor: (from: From, caller: SignedInPerson, code: string) => attempts.confirm(from, caller, code),
    disableTwoFactor: (from: From, password: string) => attempts.disable(from, password),
    newBackupCodes: (from: From, password: string) => attempts.newBackupCodes(from, password),

    async startOidc(from: From, next: string) {
      if (oidc === null) throw new Fault("not-found", "this hub has no single sign-on");
      if (founding.setupToken() !== null) {
        throw new Fault("conflict", "this hub has no owner yet", { hint: "Use the setup link first" });
      }
      return await oidc.start(from, next);
    },
    async finishOidc(from: From) {
      if (oidc === null) throw new Fault("not-found", "this hub has no single sign-on");
      return await oidc.finish(from);
    },

    requestDevice: (from: From, device: DeviceWish) => devices.request(from, device),
    redeemDevice: (from: From, clientId: string, code: string) => devices.redeem(from, clientId, code),
    device: (userCode: string) => devices.view(userCode),
    answerDevice: (from: From, caller: SignedInPerson, userCode: string, approve: boolean) =>
      change(() => devices.answer(from, caller, userCode, approve)),

    organization: (caller: SignedInPerson) => members.organization(caller),
    async renameOrganization(caller: SignedInPerson, name: string) {
      await records.renameOrganization(caller.organizationId, name);
      changed(caller.organizationId);
      return await members.organization(caller);
    },
    invite: (caller: SignedInPerson, email: string, role: Role) =>
      change(() => invitations.invite(caller, email, role)),
    revokeInvitation: (caller: SignedInPerson, id: string) => change(() => invitations.revoke(caller, id)),
    changeRole: (caller: SignedInPerson, personId: string, role: Role) =>
      change(() => members.changeRole(caller.organizationId, personId, role)),
    removeMember: (caller: SignedInPerson, personId: string) =>
      change(() => members.remove(caller.organizationId, personId)),

    invitation: (token: string) => invitations.view(token),

    async acceptInvitation(
      from: From,
      caller: SignedInPerson | null,
      token: string,
      answer: { readonly name?: string | undefined; readonly password?: string | undefined },
    ): Promise<{ person: SignedInPerson; cookies: Cookies }> {
      const { password } = answer;
      const invited = await change(async () => {
        const row = await invitations.find(token);
        if (await people.known(row.email)) {
          await joinKnown(row, caller);
          return row;
        }
        if (password === undefined) {
          throw new Fault("invalid", "the body is not valid: password: choose one, because you are new here");
        }
        await people.createInvited(row, { ...answer, password });
        return row;
      });
      if (caller !== null && caller.email === invited.email) {
        const person = await sessions.choose(from, caller, invited.organizationId);
        return { person, cookies: [] };
      }
      const attempt = await attempts.signIn(from, invited.email, password ?? "");
      if (attempt.state !== "signed-in") throw new Fault("failed", "the new account could not sign in");
      return attempt;
    },

    /**
     * An owner, made by the hub's own command line or settings.
     * @throws {Fault} `conflict`: the address has an account
     */
    createOwner: (owner: NewOwner): Promise<OwnerView> =>
      change(async () => {
        const { user, organization, founded } = await founding.addOwner(owner);
        if (founded) {
          const target = { kind: "organization", ...organization };
          await audit.record(organization.id, { action: "organization.created", target, ...byHub });
        }
        const target = { kind: "person", id: user.id, name: user.email };
        await audit.record(organization.id, { action: "member.joined", target, details: { role: "owner" }, ...byHub });
        return { id: user.id, email: user.email, organizationId: organization.id, organization: organization.name };
      }),

    people: () => people.list(),
    /** Ends the person's sessions and takes the second factor away. Fault `not-found`: nobody has this address. */
    resetPassword: (email: string, password: string): Promise<void> =>
      change(async () => {
        const { id } = await people.resetPassword(email, password);
        const target = { kind: "person", id, name: email };
        for (const { organizationId } of await records.memberships(id)) {
          await audit.record(organizationId, { action: "person.password-changed", target, ...byHub });
        }
      }),
    /** Organizations of the hub, oldest first. */
    organizations: async () => (await records.organizations()).map(({ id, name }) => ({ id, name })),

    /** Reads again what is remembered, because another hub has changed it. */
    async refresh(): Promise<void> {
      sessions.refresh();
      await founding.refresh();
    },

    /** Writes nothing any more. The database is closed by who opened it. */
    async close(): Promise<void> {
      cancelTidying?.();
      await changes.run(async () => undefined);
    },
  };

  async function joinKnown(row: Awaited<ReturnType<typeof invitations.find>>, caller: SignedInPerson | null) {
    if (caller === null) {
      throw new Fault("unauthenticated", `${row.email} has an account here already`, { hint: "Sign in, then accept" });
    }
    if (caller.email !== row.email) {
      throw new Fault("denied", `this invitation is for ${row.email}, and you are signed in as ${caller.email}`);
    }
    const user = await records.user(caller.id);
    if (user !== null) await invitations.join(row, user);
  }
}
