/** People: how they sign in, what they belong to, and how a command line signs in for them (RFC 8628). */
import { displayName, email, password, recordId, role, scope } from "./access.ts";
import { z } from "./schema.ts";

const at = z.iso.datetime();

/** Six digits of an authenticator (RFC 6238), or one of the backup codes. */
const secondFactor = z.string().check(z.trim(), z.regex(/^[\w-]{6,32}$/, "must be a code"));

export const person = z.object({
  id: z.string(),
  email: z.string(),
  name: z.string(),
  /** whether a second factor is asked for at sign-in */
  twoFactor: z.boolean(),
});
export type Person = z.infer<typeof person>;

export const organizationSummary = z.object({ id: z.string(), name: z.string(), role });

/** `GET /api/auth/session`: who is signed in. `organization` is the one that requests are about. */
export const session = z.object({
  person,
  organization: organizationSummary,
  /** all that this person belongs to */
  organizations: z.array(organizationSummary),
  expiresAt: at,
});
export type Session = z.infer<typeof session>;

/** `GET /api/auth/methods`: what the sign-in page offers. */
export const signInMethods = z.object({
  /** nobody has an account yet: the setup link is the way in */
  setup: z.boolean(),
  oidc: z.nullable(z.object({ name: z.string() })),
});
export type SignInMethods = z.infer<typeof signInMethods>;

/**
 * Why the provider's sign-in came back to `/login?error=…`: nobody invited this person; the provider doesn't vouch for
 * the e-mail address; the provider refused, or the person went back; anything else.
 */
export const oidcErrors = ["not-invited", "email-unverified", "refused", "failed"] as const;
export type OidcError = (typeof oidcErrors)[number];

export const signIn = z.object({ email, password: z.string().check(z.minLength(1), z.maxLength(128)) });

/** `twoFactor`: the password was right, the code is still missing. */
export const signInAnswer = z.object({ twoFactor: z.boolean() });
export type SignInAnswer = z.infer<typeof signInAnswer>;

export const secondFactorProof = z.object({ code: secondFactor });

/** `POST /api/auth/setup`: the first owner, with the one-time token of the setup link. */
export const firstOwner = z.object({
  token: z.string().check(z.minLength(1), z.maxLength(200)),
  email,
  password,
  name: z.optional(displayName),
  organization: z.optional(displayName),
});

export const personChange = z.object({ name: displayName });

export const passwordChange = z.object({ current: z.string().check(z.minLength(1), z.maxLength(128)), new: password });
/** Asked for again before something that a stolen session must not do. */
export const passwordProof = z.object({ password: z.string().check(z.minLength(1), z.maxLength(128)) });

/** What an authenticator needs (`otpauth://…`) and the codes for the day it is lost; both are shown this once. */
export const twoFactorSecret = z.object({ uri: z.string(), backupCodes: z.array(z.string()) });
export type TwoFactorSecret = z.infer<typeof twoFactorSecret>;
export const backupCodesList = z.object({ backupCodes: z.array(z.string()) });

export const signedInSession = z.object({
  id: z.string(),
  /** the one that asks */
  current: z.boolean(),
  address: z.nullable(z.string()),
  userAgent: z.nullable(z.string()),
  createdAt: at,
  expiresAt: at,
});
export const sessionsList = z.object({ sessions: z.array(signedInSession) });
export type SessionsList = z.infer<typeof sessionsList>;

/** `id` is the person's. */
export const member = z.object({ id: z.string(), email: z.string(), name: z.string(), role, since: at });
export type Member = z.infer<typeof member>;
export const invitation = z.object({ id: z.string(), email: z.string(), role, expiresAt: at });
/** An invitation with the link to hand on, which is shown this once. */
export const newInvitation = z.extend(invitation, { link: z.string() });
export type NewInvitation = z.infer<typeof newInvitation>;

/** `GET /api/organization`. */
export const organization = z.object({
  id: z.string(),
  name: z.string(),
  members: z.array(member),
  /** those not yet accepted; empty for who may not manage them */
  invitations: z.array(invitation),
});
export type Organization = z.infer<typeof organization>;

export const organizationChange = z.object({ name: displayName });
export const invitationRequest = z.object({ email, role });
export const memberChange = z.object({ role });
export const organizationChoice = z.object({ id: recordId });

/** `GET /api/invitations/:token`: what the invited person sees before accepting. `known`: has an account already. */
export const invitationView = z.object({ organization: z.string(), email: z.string(), role, known: z.boolean() });
export type InvitationView = z.infer<typeof invitationView>;
/** Without `password` the invited person must be signed in already. */
export const invitationAcceptance = z.object({ name: z.optional(displayName), password: z.optional(password) });

/** A key of a person or a machine. Its token is shown once, when it is made. */
export const apiKey = z.object({
  id: z.string(),
  name: z.string(),
  /** the first characters of the token, to tell keys apart */
  hint: z.string(),
  scopes: z.array(scope),
  createdAt: at,
  /** who made it */
  createdBy: z.nullable(z.string()),
  expiresAt: z.nullable(at),
  lastUsedAt: z.nullable(at),
});
export type ApiKey = z.infer<typeof apiKey>;
export const apiKeysList = z.object({ keys: z.array(apiKey), cursor: z.nullable(z.string()) });
export const apiKeyRequest = z.object({
  name: displayName,
  scopes: z.array(scope).check(z.minLength(1), z.maxLength(3)),
  /** days from now; null: until it is revoked */
  expiresInDays: z.optional(z.nullable(z.number().check(z.minimum(1), z.maximum(3650), z.multipleOf(1)))),
});
export const newApiKey = z.extend(apiKey, { token: z.string() });

/**
 * `POST /api/auth/device/code` (RFC 8628 section 3.1), as JSON or form fields. `hostname` and `purpose` are ours: the
 * approval page shows them.
 */
export const deviceRequest = z.object({
  client_id: z._default(z.string().check(z.minLength(1), z.maxLength(100)), "orion-cli"),
  scope: z.optional(z.string().check(z.maxLength(200))),
  hostname: z.optional(z.string().check(z.maxLength(253))),
  /** what the device will do once approved */
  purpose: z._default(z.enum(["login", "setup-server", "setup-source"]), "login"),
});
export const devicePurposes = ["login", "setup-server", "setup-source"] as const;

/** RFC 8628 section 3.2. Seconds. */
export const deviceCode = z.object({
  device_code: z.string(),
  user_code: z.string(),
  verification_uri: z.string(),
  verification_uri_complete: z.string(),
  expires_in: z.number(),
  interval: z.number(),
});
export type DeviceCode = z.infer<typeof deviceCode>;

/** `POST /api/auth/device/token` (RFC 8628 section 3.4), as JSON or form fields. */
export const deviceTokenRequest = z.object({
  grant_type: z.literal("urn:ietf:params:oauth:grant-type:device_code"),
  device_code: z.string().check(z.minLength(1), z.maxLength(200)),
  client_id: z._default(z.string().check(z.minLength(1), z.maxLength(100)), "orion-cli"),
});
export const deviceToken = z.object({
  access_token: z.string(),
  token_type: z.literal("Bearer"),
  expires_in: z.number(),
});

/**
 * RFC 8628 section 3.5: what a polling device is told with status 400, beside the members of a problem document.
 * `slow_down` adds five seconds to the interval.
 */
export const deviceErrors = [
  "authorization_pending",
  "slow_down",
  "access_denied",
  "expired_token",
  "invalid_grant",
] as const;

/** `GET /api/auth/device?code=…`: what somebody is asked to approve. */
export const deviceView = z.object({
  userCode: z.string(),
  hostname: z.nullable(z.string()),
  /** where the request came from */
  address: z.nullable(z.string()),
  purpose: z.enum(devicePurposes),
  requestedAt: at,
  expiresAt: at,
  status: z.enum(["pending", "approved", "denied"]),
});
export type DeviceView = z.infer<typeof deviceView>;
export const deviceAnswer = z.object({ userCode: z.string().check(z.maxLength(40)) });
