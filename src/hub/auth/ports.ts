/** What sign-in needs from the rest of the hub, and the people that it knows. */
import type { Role } from "#src/protocol/access.ts";
import type { AuditEntry } from "#src/protocol/audit.ts";
import type { Fault } from "#src/protocol/fault.ts";

/** Where better-auth keeps its tables: a Kysely query builder, opaque to everybody but the store. */
export type AuthDatabase = {
  readonly db: unknown;
  readonly type: "sqlite" | "postgres";
  /** the schema that its tables are in; undefined: the usual one */
  readonly schemaName?: string;
  /** copies it before its tables are changed for a version; throws a Fault when there is no room for that */
  readonly backUp?: (version: string) => void;
  /** what a failure of the database means */
  readonly faultOf: (error: unknown) => Fault;
  /** when other hubs may be on the same database */
  readonly shared?: {
    /** brings its tables up to date in one transaction, while no other hub does */
    readonly migrate: (work: (db: unknown) => Promise<void>) => Promise<void>;
    /** runs what reads and then writes, while no other hub does */
    readonly exclusively: <T>(work: () => Promise<T>) => Promise<T>;
    /** notes what all hubs are to have alike by this name, unless it is noted already. @returns what is noted */
    readonly agree: (name: string, value: string) => Promise<string>;
  };
};

/** Sign-in with an OpenID Connect provider. */
export type OidcSettings = {
  /** on the button */
  readonly name: string;
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecretFile: string;
  readonly scopes: readonly string[];
  /** domains of e-mail addresses that may come in without an invitation */
  readonly allowedDomains: readonly string[];
  /** what they become; null: only invited people come in */
  readonly defaultRole: Role | null;
};

/** Where somebody asked to sign a device in from, and for what. */
export type DeviceRow = {
  readonly userCode: string;
  readonly hostname: string | null;
  readonly address: string | null;
  readonly purpose: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
};

export type DeviceRecords = {
  putDevice(row: DeviceRow): Promise<void>;
  /** undefined: unknown or expired */
  device(userCode: string): Promise<DeviceRow | undefined>;
};

/** Leaves a trace of what the hub's own command line does. */
export type AuditTrail = {
  record(organizationId: string | null, entry: Omit<AuditEntry, "id" | "at">): Promise<void>;
};

/** A request and where it came from. */
export type From = { readonly request: Request; readonly address: string | null };

/** A signed-in person, acting within one organization. */
export type SignedInPerson = {
  readonly kind: "person";
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly organizationId: string;
  readonly role: Role;
  readonly sessionId: string;
};

/** Somebody of whom only this is known. */
export type Named = { readonly id: string; readonly email: string; readonly organizationId: string };

export type Cookies = readonly string[];
