/**
 * Sign-in with the organization's own provider (OpenID Connect). It is a better-auth instance of its own over the same
 * tables, made at its first use: only then the hub's address is known, and a provider that is down must not keep the
 * hub from starting.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { readFileSync } from "node:fs";

import { betterAuth } from "better-auth/minimal";
import { genericOAuth } from "better-auth/plugins/generic-oauth";

import type { Clock } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import type { OidcError } from "#src/protocol/account.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import type { Engine } from "./engine.ts";
import { engineHeaders } from "./headers.ts";
import type { Invitations } from "./invitations.ts";
import type { Cookies, From, OidcSettings, SignedInPerson } from "./ports.ts";
import type { Records, UserRow } from "./records.ts";
import type { Sessions } from "./sessions.ts";

const providerId = "oidc";
/** For the provider's description of itself. */
const discoveryWithinMs = 10_000;
/** For a whole return, in which the provider is asked for a token, its keys and perhaps who somebody is. */
const returnWithinMs = 20_000;

export type OidcWorld = {
  readonly settings: OidcSettings;
  readonly engine: Engine;
  readonly records: Records;
  readonly sessions: Sessions;
  readonly invitations: Invitations;
  readonly origin: () => string;
  /** runs what changes who belongs to what, one after the other */
  readonly change: <T>(work: () => Promise<T>) => Promise<T>;
  readonly clock: Pick<Clock, "after">;
  readonly log: { warn(message: string): void };
};

/** One return from the provider: whether whoever comes may get an account. */
type Visit = { welcome: boolean };

export type Returned = {
  readonly location: string;
  readonly cookies: Cookies;
  readonly person: SignedInPerson | null;
  readonly joined: boolean;
};

export type Oidc = ReturnType<typeof createOidc>;

export function createOidc(world: OidcWorld) {
  const { settings, engine, records, sessions, invitations, origin, change, clock, log } = world;
  const visits = new AsyncLocalStorage<Visit>();
  let opened: Promise<Awaited<ReturnType<typeof open>>> | undefined;

  async function open() {
    const discoveryUrl = `${settings.issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
    await reach(discoveryUrl);
    const auth = betterAuth({
      ...engine.options,
      baseURL: origin(),
      database: () => engine.adapter,
      plugins: [
        ...engine.options.plugins,
        genericOAuth({
          config: [
            {
              providerId,
              discoveryUrl,
              clientId: settings.clientId,
              clientSecret: readSecret(settings.clientSecretFile),
              scopes: [...settings.scopes],
              pkce: true,
              requireIdTokenVerification: true,
              async mapProfileToUser({ email }) {
                const visit = visits.getStore();
                if (visit !== undefined && typeof email === "string") visit.welcome = await mayComeIn(email);
                return {};
              },
            },
          ],
        }),
      ],
      // who somebody is, is all that is asked of the provider: its tokens are not kept
      account: { ...engine.options.account, updateAccountOnSignIn: false },
      databaseHooks: {
        ...engine.options.databaseHooks,
        account: {
          create: { before: async () => ({ data: { accessToken: null, refreshToken: null, idToken: null } }) },
        },
        // it runs within a transaction, where nothing else can be looked up: that was done above
        user: { create: { before: async (user) => user.emailVerified && visits.getStore()?.welcome === true } },
      },
    });
    await within(auth.$context, discoveryWithinMs);
    return auth;
  }

  /** @throws {Fault} `unreachable`: the provider doesn't answer */
  async function ready() {
    opened ??= open();
    try {
      return await opened;
    } catch (error) {
      // tried again next time
      opened = undefined;
      throw error;
    }
  }

  /** What `work` gives; better-auth itself waits for the provider as long as that likes. Fault `unreachable` past `ms`. */
  async function within<T>(work: Promise<T>, ms: number): Promise<T> {
    const late = Promise.withResolvers<never>();
    const why = `${settings.name} did not answer within ${ms / 1000} s`;
    const cancel = clock.after(ms, () => late.reject(new Fault("unreachable", why)));
    try {
      return await Promise.race([work, late.promise]);
    } finally {
      cancel();
    }
  }

  /** Whether somebody without an account gets one. */
  async function mayComeIn(email: string): Promise<boolean> {
    if ((await records.pendingInvitations({ email: email.toLowerCase() })).length > 0) return true;
    const domain = email.split("@").at(-1)?.toLowerCase() ?? "";
    const allowed = settings.allowedDomains.some((one) => one.toLowerCase().replace(/^@/, "") === domain);
    return settings.defaultRole !== null && allowed;
  }

  /** Makes a member of somebody who belongs to nothing yet. False: nobody invited them. */
  async function join(user: UserRow): Promise<boolean> {
    const invited = await records.pendingInvitations({ email: user.email });
    for (const invitation of invited) await invitations.join(invitation, user);
    if (invited.length > 0) return true;
    const [first] = await records.organizations();
    if (settings.defaultRole === null || first === undefined || !(await mayComeIn(user.email))) return false;
    await records.createMember(first.id, user.id, settings.defaultRole);
    return true;
  }

  /** Lets whoever came back with a session in, if they belong here. */
  async function admit(token: string): Promise<{ person: SignedInPerson; joined: boolean } | undefined> {
    const person = await sessions.read(token);
    if (person !== null) return { person, joined: false };
    const found = await engine.context.internalAdapter.findSession(token);
    const joined = found !== null && (await join(found.user)) ? await sessions.read(token) : null;
    if (joined !== null) {
      await engine.context.internalAdapter.updateSession(token, { activeOrganizationId: joined.organizationId });
      return { person: joined, joined: true };
    }
    await turnAway(token);
    return undefined;
  }

  /** Ends a session, and forgets who belongs to nothing. */
  async function turnAway(token: string): Promise<void> {
    const found = await engine.context.internalAdapter.findSession(token);
    await engine.context.internalAdapter.deleteSession(token);
    if (found === null || (await records.memberships(found.user.id)).length > 0) return;
    await records.deleteUser(found.user.id);
  }

  /** Takes back what a return did that came too late. */
  async function undo(response: Response): Promise<void> {
    const token = sessions.tokenIn(response.headers.getSetCookie());
    if (token !== null) await change(() => turnAway(token));
  }

  return {
    async start(from: From, next: string): Promise<{ location: string; cookies: Cookies }> {
      const auth = await ready();
      const { response, headers } = await auth.api.signInSocial({
        body: { provider: providerId, callbackURL: next, errorCallbackURL: "/login", disableRedirect: true },
        headers: engineHeaders(from),
        returnHeaders: true,
      });
      if (response.url === undefined) throw new Fault("failed", `${settings.name} gave no address to sign in at`);
      return { location: response.url, cookies: headers.getSetCookie() };
    },

    async finish(from: From): Promise<Returned> {
      const auth = await ready();
      const { search } = new URL(from.request.url);
      const request = new Request(`${origin()}/api/auth/callback/${providerId}${search}`, {
        headers: engineHeaders(from),
      });
      const handled = visits.run({ welcome: false }, () => auth.handler(request));
      let response: Response;
      try {
        response = await within(handled, returnWithinMs);
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        log.warn(`sign-in failed: ${reasonOf(error)}`);
        // nobody waits for it any more, so it must not let anybody in
        keep(handled.then(undo), (failure) => log.warn(`sign-in failed: ${reasonOf(failure)}`));
        return { location: "/login?error=failed", cookies: [], person: null, joined: false };
      }
      const cookies = response.headers.getSetCookie();
      const token = sessions.tokenIn(cookies);
      if (token === null) {
        return { location: `/login?error=${errorOf(response)}`, cookies, person: null, joined: false };
      }
      const admitted = await change(() => admit(token));
      if (admitted === undefined) {
        return { location: "/login?error=not-invited", cookies: [], person: null, joined: false };
      }
      return { location: pathOf(response), cookies, ...admitted };
    },
  };

  async function reach(url: string): Promise<void> {
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(discoveryWithinMs) });
      if (!response.ok) throw new Error(`it answered ${response.status}`);
      await response.json();
    } catch (error) {
      throw new Fault("unreachable", `${settings.name} can't be reached at ${url}: ${reasonOf(error)}`, {
        hint: "Check the hub's oidc settings and its network",
        cause: error,
      });
    }
  }
}

/** @throws {Fault} `failed` */
function readSecret(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    throw new Fault("failed", `can't read the OIDC client's secret ${path}: ${reasonOf(error)}`, {
      hint: "Set oidc.clientSecretFile to a file that the hub may read",
      cause: error,
    });
  }
}

/** The path to go on to; better-auth gives it as it was given, or with the origin before it. */
function pathOf(response: Response): string {
  const location = response.headers.get("location") ?? "/";
  if (!URL.canParse(location)) return location;
  const { pathname, search, hash } = new URL(location);
  // two slashes would be followed by a host
  return pathname.replace(/^\/+/, "/") + search + hash;
}

const reasons: Readonly<Record<string, OidcError>> = {
  // our own hook refused to make an account
  unable_to_create_user: "not-invited",
  account_not_linked: "email-unverified",
  email_not_found: "email-unverified",
  access_denied: "refused",
  login_required: "refused",
  consent_required: "refused",
  interaction_required: "refused",
};

function errorOf(response: Response): OidcError {
  const location = response.headers.get("location") ?? "";
  const query = new URLSearchParams(location.slice(location.indexOf("?") + 1));
  return reasons[query.get("error") ?? ""] ?? "failed";
}
