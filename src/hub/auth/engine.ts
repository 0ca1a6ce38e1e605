/** better-auth as this hub uses it: its options, its tables, and nothing of it reachable from outside this room. */
import { betterAuth } from "better-auth/minimal";
import { hashPassword, verifyPassword } from "better-auth/crypto";
import { getAdapter } from "better-auth/db/adapter";
import { getMigrations } from "better-auth/db/migration";
import { bearer } from "better-auth/plugins/bearer";
import { deviceAuthorization } from "better-auth/plugins/device-authorization";
import { organization } from "better-auth/plugins/organization";
import { twoFactor } from "better-auth/plugins/two-factor";
import type { BetterAuthOptions, DBAdapter } from "better-auth";

import { version } from "#src/protocol/version.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import { createLane } from "./lane.ts";
import { createUserCode } from "./user-code.ts";
import { addressHeader } from "./headers.ts";
import { passwordSignIn } from "./password-sign-in.ts";
import type { AuthDatabase } from "./ports.ts";
import { sealTwoFactor } from "./sealed-adapter.ts";
import type { HubSecret } from "./secret.ts";
import { tellFailures } from "./telling-adapter.ts";
import { createVault } from "./vault.ts";

/** Sessions end after this long without use. */
export const sessionSeconds = 14 * 86_400;
/** A session in use is prolonged this often. */
const prolongEverySeconds = 86_400;
/** How long a device code may be answered. */
export const deviceSeconds = 15 * 60;
/** Seconds between a device's polls, as the device is told. */
export const devicePollSeconds = 5;
/** After this many wrong codes in a row … */
const maxWrongCodes = 10;
/** … an account's codes are not looked at for this long. */
export const lockSeconds = 15 * 60;

export type EngineWorld = {
  readonly database: AuthDatabase;
  readonly secret: HubSecret;
  /** whether people reach the hub by https only */
  readonly secure: boolean;
  readonly log: { warn(message: string): void };
};

/**
 * Opens the engine and brings its tables up to date.
 * @throws {Fault} `failed`
 */
export async function openEngine({ database, secret, secure, log }: EngineWorld) {
  const vault = await createVault(secret.derive("vault"));
  const hashing = createLane();
  // browsers send a cookie to every port of a host: hubs that share one must not take each other's
  const ownName = `orion-${Buffer.from(secret.derive("cookie name")).toString("hex", 0, 4)}`;
  const plugins = [
    organization(),
    twoFactor({
      issuer: "Orion",
      accountLockout: { maxFailedAttempts: maxWrongCodes, durationSeconds: lockSeconds },
      backupCodeOptions: {
        storeBackupCodes: {
          encrypt: (codes) => vault.seal(codes, "backup codes"),
          decrypt: (sealed) => vault.open(sealed, "backup codes"),
        },
      },
    }),
    deviceAuthorization({
      expiresIn: `${deviceSeconds}s`,
      // a second less than the device is told: the network may bring two polls closer together
      interval: `${devicePollSeconds - 1}s`,
      generateUserCode: createUserCode,
    }),
    deviceOrganization,
    bearer(),
    passwordSignIn(),
  ] as const;
  const options = {
    appName: "Orion",
    // nothing that is made with it leaves this room: links are ours, and the provider's sign-in has its own, see oidc.ts
    baseURL: "http://localhost",
    basePath: "/api/auth",
    // a list, because better-auth would rather take one from the environment than a single secret from here
    secrets: [{ version: 1, value: Buffer.from(secret.derive("better-auth")).toString("hex") }],
    emailAndPassword: {
      enabled: true,
      disableSignUp: true,
      minPasswordLength: 12,
      maxPasswordLength: 128,
      password: {
        hash: (password: string) => hashing.run(() => hashPassword(password)),
        verify: (both: { hash: string; password: string }) => hashing.run(() => verifyPassword(both)),
      },
    },
    session: {
      expiresIn: sessionSeconds,
      updateAge: prolongEverySeconds,
      // asking for the password again is ours, see session-routes.ts
      freshAge: 0,
    },
    account: { accountLinking: { enabled: true, trustedProviders: [] } },
    // attempts are counted by the routes, for each address and each account
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    logger: {
      level: "warn" as const,
      disableColors: true,
      log(level: string, message: string, ...details: unknown[]) {
        // its warnings are about what somebody typed, which the audit trail tells
        if (level === "error") log.warn(`sign-in: ${[message, ...details.map(reasonOf)].join(": ")}`);
      },
    },
    advanced: {
      cookiePrefix: secure ? `__Host-${ownName}` : ownName,
      // its own prefix would be __Secure-, which is weaker than __Host- (RFC 6265bis section 4.1.3)
      useSecureCookies: false,
      defaultCookieAttributes: { secure, httpOnly: true, sameSite: "lax" as const, path: "/" },
      ipAddress: { ipAddressHeaders: [addressHeader], ipv6Subnet: 128 as const },
    },
    plugins: [...plugins],
  } satisfies BetterAuthOptions;
  try {
    const { type, schemaName, shared } = database;
    const place = { type, transaction: true, ...(schemaName === undefined ? {} : { schemaName }) };
    const storedIn = (db: unknown) => ({ ...options, database: { db, ...place } }) as BetterAuthOptions;
    const migrate = async (db: unknown) => {
      const tables = await getMigrations(storedIn(db));
      if (tables.toBeCreated.length + tables.toBeAdded.length > 0) database.backUp?.(version);
      await tables.runMigrations();
    };
    await (shared === undefined ? migrate(database.db) : shared.migrate(migrate));
    const stored = await getAdapter(storedIn(database.db));
    const adapter = sealTwoFactor(tellFailures(stored, database.faultOf), vault);
    const databaseHooks = {
      session: { create: { before: (session: NewSession) => inOrganization(adapter, session) } },
    };
    const auth = betterAuth({ ...options, databaseHooks, database: () => adapter, plugins: [...plugins] });
    const context = await auth.$context;
    return { api: auth.api, context, options: { ...options, databaseHooks }, adapter };
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault("failed", `sign-in can't be opened: ${reasonOf(error)}`, {
      hint:
        database.shared === undefined
          ? "Check auth.db in the hub's data folder, or restore a backup"
          : "See the log of the database",
      cause: error,
    });
  }
}

export type Engine = Awaited<ReturnType<typeof openEngine>>;

type NewSession = { readonly userId: string; readonly activeOrganizationId?: unknown };

/** A session acts in one organization from the start, so that it ends when its person is removed from that one. */
async function inOrganization(adapter: DBAdapter, session: NewSession) {
  if (typeof session.activeOrganizationId === "string") return undefined;
  const [oldest] = await adapter.findMany<{ organizationId: string }>({
    model: "member",
    where: [{ field: "userId", value: session.userId }],
    sortBy: { field: "createdAt", direction: "asc" },
    limit: 1,
  });
  return oldest === undefined ? undefined : { data: { activeOrganizationId: oldest.organizationId } };
}

/** A device's session acts in the organization in which it was approved. */
const deviceOrganization = {
  id: "orion-device",
  schema: { deviceCode: { fields: { organizationId: { type: "string", required: false } } } },
} as const;
