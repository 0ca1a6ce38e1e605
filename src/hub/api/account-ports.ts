/** What the routes of sign-in and organizations need from the room that keeps people. */
import type { Role } from "#src/protocol/access.ts";
import type {
  DeviceCode,
  DeviceView,
  InvitationView,
  Member,
  NewInvitation,
  Organization,
  Person,
  Session,
  SessionsList,
  SignInMethods,
  TwoFactorSecret,
} from "#src/protocol/account.ts";
import type { PersonCaller } from "./caller.ts";

/** A request and where it came from, as far as sessions know it. */
export type From = { readonly request: Request; readonly address: string | null };

/** Values of `Set-Cookie`. */
export type Cookies = readonly string[];

/** Somebody of whom only this is known: the person that a refused attempt was about. */
export type Named = { readonly id: string; readonly email: string; readonly organizationId: string };

/** What came of an attempt to sign in. */
export type Attempt =
  | { readonly state: "signed-in"; readonly person: PersonCaller; readonly cookies: Cookies }
  /** the password was right, the code is still missing */
  | { readonly state: "second-factor"; readonly cookies: Cookies }
  | {
      readonly state: "refused";
      /** whose account it was; null: nobody's */
      readonly about: Named | null;
      /** for the person who tried */
      readonly why: string;
      /** too many wrong codes: seconds until one is looked at again */
      readonly retryAfterSeconds?: number;
      readonly cookies: Cookies;
    };

export type NewOwner = {
  readonly email: string;
  readonly password: string;
  readonly name?: string | undefined;
  readonly organization?: string | undefined;
};

/** How a device's poll ended (RFC 8628 section 3.5). */
export type DeviceAnswer =
  | { readonly token: string; readonly expiresInSeconds: number }
  | { readonly error: string; readonly description: string };

/** The end of a sign-in with the organization's provider: where the browser goes next. */
export type Returned = {
  readonly location: string;
  readonly cookies: Cookies;
  /** who is signed in now; null: nobody */
  readonly person: PersonCaller | null;
  /** whether that person has become a member by it */
  readonly joined: boolean;
};

/** All methods that change something reject with a Fault that a person can read. */
export type Accounts = {
  methods(): SignInMethods;
  /** The first owner, with the token of the setup link. Fault `denied`: wrong token; `conflict`: there is an owner. */
  setup(from: From, owner: NewOwner & { readonly token: string }): Promise<Attempt>;
  signIn(from: From, email: string, password: string): Promise<Attempt>;
  secondFactor(from: From, code: string): Promise<Attempt>;
  signOut(from: From): Promise<Cookies>;
  signOutEverywhere(from: From, caller: PersonCaller): Promise<Cookies>;
  /** Gives the session's cookie again when it has grown old. */
  session(from: From, caller: PersonCaller): Promise<{ readonly session: Session; readonly cookies: Cookies }>;
  /** The organization that the session is about from now on. Fault `not-found`: not a member of it. */
  chooseOrganization(from: From, caller: PersonCaller, organizationId: string): Promise<PersonCaller>;
  sessions(caller: PersonCaller): Promise<SessionsList>;
  /** False: no such session of this person. */
  endSession(caller: PersonCaller, id: string): Promise<boolean>;
  rename(caller: PersonCaller, name: string): Promise<Person>;
  /** Ends the person's other sessions. Fault `denied`: the current password is wrong. */
  changePassword(from: From, caller: PersonCaller, current: string, next: string): Promise<void>;
  enableTwoFactor(from: From, password: string): Promise<TwoFactorSecret>;
  confirmTwoFactor(from: From, caller: PersonCaller, code: string): Promise<Cookies>;
  disableTwoFactor(from: From, password: string): Promise<Cookies>;
  /** New backup codes; the old ones are dead. */
  newBackupCodes(from: From, password: string): Promise<readonly string[]>;

  /** Where the browser goes to sign in with the provider. `next` is a path of this hub. Fault `not-found`: none is set. */
  startOidc(from: From, next: string): Promise<{ readonly location: string; readonly cookies: Cookies }>;
  finishOidc(from: From): Promise<Returned>;

  requestDevice(
    from: From,
    device: { readonly clientId: string; readonly hostname: string | null; readonly purpose: DeviceView["purpose"] },
  ): Promise<DeviceCode>;
  redeemDevice(from: From, clientId: string, deviceCode: string): Promise<DeviceAnswer>;
  /** Fault `not-found`: unknown or expired. */
  device(userCode: string): Promise<DeviceView>;
  /** Fault `conflict`: answered already. */
  answerDevice(from: From, caller: PersonCaller, userCode: string, approve: boolean): Promise<DeviceView>;

  organization(caller: PersonCaller): Promise<Organization>;
  renameOrganization(caller: PersonCaller, name: string): Promise<Organization>;
  invite(caller: PersonCaller, email: string, role: Role): Promise<NewInvitation>;
  /** undefined: no such invitation in this organization. */
  revokeInvitation(caller: PersonCaller, id: string): Promise<{ readonly email: string } | undefined>;
  /** Fault `conflict`: the last owner; `not-found`: nobody of this organization. */
  changeRole(
    caller: PersonCaller,
    personId: string,
    role: Role,
  ): Promise<{ readonly member: Member; readonly before: Role }>;
  removeMember(caller: PersonCaller, personId: string): Promise<Member>;
  /** Fault `not-found`: unknown, revoked, used or expired. */
  invitation(token: string): Promise<InvitationView>;
  /** With a password for somebody new, else for the caller. */
  acceptInvitation(
    from: From,
    caller: PersonCaller | null,
    token: string,
    answer: { readonly name?: string | undefined; readonly password?: string | undefined },
  ): Promise<{ readonly person: PersonCaller; readonly cookies: Cookies }>;
};
