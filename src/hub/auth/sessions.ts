/** Who a request is from, by its session, and the sessions themselves. */
import { type Clock, timestamp } from "#src/lib/clock.ts";
import { Fault } from "#src/protocol/fault.ts";
import type { Session, SessionsList } from "#src/protocol/account.ts";
import type { Engine } from "./engine.ts";
import { createCookieReader, readPair } from "./cookies.ts";
import { bearerHeaders, engineHeaders } from "./headers.ts";
import type { Cookies, From, Named, SignedInPerson } from "./ports.ts";
import type { MemberRow, Records, SessionRow, UserRow } from "./records.ts";

/** A change made by another hub that did not reach us shows after this long at most. */
const rememberMs = 2000;
/** About 500 bytes each. */
const maxRemembered = 2000;

type Known = { readonly person: SignedInPerson | null; readonly until: number };

export type Sessions = ReturnType<typeof createSessions>;

/** @param changed is told of what other hubs must forget, too */
export function createSessions(
  engine: Engine,
  records: Records,
  clock: Pick<Clock, "monotonic">,
  changed: () => void = () => undefined,
) {
  const { api, context } = engine;
  const remembered = new Map<string, Known>();
  // what was being read when everything was forgotten must not be remembered after it
  let generation = 0;
  const cookieName = context.authCookies.sessionToken.name;
  const { readSigned, unsign } = createCookieReader(context.secret);

  /** Forgets what is remembered of sessions, because another hub has changed it. */
  function refresh(): void {
    generation++;
    remembered.clear();
  }

  /** Forgets it here and on other hubs; whatever changes people, roles or sessions calls it. */
  function forget(): void {
    refresh();
    changed();
  }

  /** The session's token in a request, if it is ours: the cookie is signed, a bearer token is the token itself. */
  function tokenOf(request: Request): string | null {
    const authorization = request.headers.get("authorization");
    if (authorization !== null) return /^bearer ([A-Za-z0-9]{16,64})$/i.exec(authorization)?.[1] ?? null;
    return readSigned(request, cookieName);
  }

  async function read(token: string, prolong = false): Promise<SignedInPerson | null> {
    const found = await context.internalAdapter.findSession(token);
    if (found === null || found.session.expiresAt <= new Date()) return null;
    const session: SessionRow = found.session;
    const user: UserRow = found.user;
    const membership = await chosen(session, user);
    if (membership === null) return null;
    if (prolong && dueForMore(session)) await api.getSession({ headers: bearerHeaders(token) });
    return personOf(user, membership, session.id);
  }

  /** The membership that a session acts by: the chosen one, else the oldest. */
  async function chosen(session: SessionRow, user: UserRow): Promise<MemberRow | null> {
    const wanted = session.activeOrganizationId ?? null;
    if (wanted !== null) {
      const membership = await records.member(wanted, user.id);
      if (membership !== null) return membership;
    }
    return (await records.memberships(user.id))[0] ?? null;
  }

  function dueForMore(session: SessionRow): boolean {
    const { expiresIn, updateAge } = context.sessionConfig;
    return session.expiresAt.valueOf() - expiresIn * 1000 + updateAge * 1000 <= Date.now();
  }

  async function identify(request: Request): Promise<SignedInPerson | null> {
    const token = tokenOf(request);
    if (token === null) return null;
    const now = clock.monotonic();
    const known = remembered.get(token);
    if (known !== undefined && known.until > now) return known.person;
    const begun = generation;
    // pages prolong their cookie by asking who is signed in; a command line has none
    const person = await read(token, request.headers.has("authorization"));
    if (begun !== generation) return person;
    if (remembered.size >= maxRemembered) remembered.clear();
    remembered.set(token, { person, until: now + rememberMs });
    return person;
  }

  return {
    forget,
    refresh,
    identify,
    tokenOf,
    read,

    /** The token in the session cookie among `cookies`, if one is set there. */
    tokenIn(cookies: Cookies): string | null {
      const set = cookies.map((cookie) => readPair(cookie.split(";")[0] ?? ""));
      const value = set.find(([name, value]) => name === cookieName && value !== "")?.[1];
      return value === undefined ? null : unsign(value);
    },

    /** Who a person is outside of any session. */
    async named(user: UserRow): Promise<Named | null> {
      const [membership] = await records.memberships(user.id);
      return membership === undefined
        ? null
        : { id: user.id, email: user.email, organizationId: membership.organizationId };
    },

    async session(from: From, caller: SignedInPerson): Promise<{ session: Session; cookies: Cookies }> {
      const { response, headers } = await api.getSession({ headers: engineHeaders(from), returnHeaders: true });
      if (response === null) throw new Fault("unauthenticated", "not signed in");
      const user: UserRow = response.user;
      const organizations = await Promise.all(
        (await records.memberships(user.id)).map(async ({ organizationId: id, role }) => ({
          id,
          name: (await records.organization(id))?.name ?? "",
          role,
        })),
      );
      const organization = organizations.find(({ id }) => id === caller.organizationId);
      if (organization === undefined) throw new Fault("unauthenticated", "not signed in");
      return {
        session: {
          person: { id: user.id, email: user.email, name: user.name, twoFactor: user.twoFactorEnabled === true },
          organization,
          organizations,
          expiresAt: timestamp(response.session.expiresAt.valueOf()),
        },
        cookies: headers.getSetCookie(),
      };
    },

    async choose(from: From, caller: SignedInPerson, organizationId: string): Promise<SignedInPerson> {
      const membership = await records.member(organizationId, caller.id);
      const token = tokenOf(from.request);
      if (membership === null || token === null) throw new Fault("not-found", "there is no such organization of yours");
      await context.internalAdapter.updateSession(token, { activeOrganizationId: organizationId });
      forget();
      return { ...caller, organizationId, role: membership.role };
    },

    async list(caller: SignedInPerson): Promise<SessionsList> {
      const rows = await context.internalAdapter.listSessions(caller.id, { onlyActiveSessions: true });
      return {
        sessions: rows
          .sort((a, b) => b.createdAt.valueOf() - a.createdAt.valueOf())
          .map((row) => ({
            id: row.id,
            current: row.id === caller.sessionId,
            address: row.ipAddress === "" ? null : (row.ipAddress ?? null),
            userAgent: row.userAgent === "" ? null : (row.userAgent ?? null),
            createdAt: timestamp(row.createdAt.valueOf()),
            expiresAt: timestamp(row.expiresAt.valueOf()),
          })),
      };
    },

    /** False: no such session of this person. */
    async end(caller: SignedInPerson, id: string): Promise<boolean> {
      const rows = await context.internalAdapter.listSessions(caller.id);
      const row = rows.find((session) => session.id === id);
      if (row === undefined) return false;
      await context.internalAdapter.deleteSession(row.token);
      forget();
      return true;
    },

    async endOthers(caller: SignedInPerson): Promise<void> {
      const rows = await context.internalAdapter.listSessions(caller.id);
      const others = rows.filter(({ id }) => id !== caller.sessionId).map(({ token }) => token);
      await records.deleteDevices(caller.id);
      await context.internalAdapter.deleteSessions(others);
      forget();
    },

    async signOut(from: From): Promise<Cookies> {
      const { headers } = await api.signOut({ headers: engineHeaders(from), returnHeaders: true });
      forget();
      return headers.getSetCookie();
    },

    async signOutEverywhere(from: From, caller: SignedInPerson): Promise<Cookies> {
      const { headers } = await api.signOut({ headers: engineHeaders(from), returnHeaders: true });
      await records.deleteDevices(caller.id);
      await context.internalAdapter.deleteUserSessions(caller.id);
      forget();
      return headers.getSetCookie();
    },
  };
}

export function personOf(user: UserRow, { organizationId, role }: MemberRow, sessionId: string): SignedInPerson {
  return { kind: "person", id: user.id, email: user.email, name: user.name, organizationId, role, sessionId };
}
