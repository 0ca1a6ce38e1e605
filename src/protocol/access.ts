/** Who may do what: roles of people in an organization, scopes of API keys, and the permissions both come to. */
import { z } from "./schema.ts";

/** Most powerful first. */
export const roles = ["owner", "admin", "viewer"] as const;
export const role = z.enum(roles);
export type Role = z.infer<typeof role>;

/** What an API key may be limited to. */
export const scopes = ["view:servers", "manage:servers", "logs:write"] as const;
export const scope = z.enum(scopes);
export type Scope = z.infer<typeof scope>;

/** What a person of each role may do; `manage:organization` is members, roles and invitations. */
export const grants: Readonly<Record<Role, readonly (Scope | "manage:organization")[]>> = {
  owner: ["view:servers", "manage:servers", "logs:write", "manage:organization"],
  admin: ["view:servers", "manage:servers", "logs:write"],
  viewer: ["view:servers"],
};

/** Prefixes of all bearer tokens that the hub gives out, so that a leaked one says what it is. */
export const tokenPrefixes = { agent: "oat_", source: "ost_", key: "oak_", enrolment: "oet_" } as const;
export type TokenKind = keyof typeof tokenPrefixes;

/** An e-mail address as far as a program can check one; compared in lower case. */
export const email = z
  .string()
  .check(
    z.trim(),
    z.toLowerCase(),
    z.maxLength(254),
    z.regex(/^[^\s@<>"]{1,64}@[^\s@<>"]{1,190}$/u, "must be an e-mail address"),
  );

/** NIST SP 800-63B section 3.1.1: length counts, composition rules don't. */
export const password = z
  .string()
  .check(z.minLength(12, "must have at least 12 characters"), z.maxLength(128, "must have at most 128 characters"));

/** Names that people give to things: organizations, projects, keys. */
export const displayName = z
  .string()
  .check(z.trim(), z.regex(/^[^\u0000-\u001f\u007f]{1,100}$/u, "must be 1 to 100 characters on one line"));

/** Ids of records: what the hub gave out, nothing that could be mistaken for a path. */
export const recordId = z.string().check(z.regex(/^[\w-]{1,64}$/, "is not an id"));
