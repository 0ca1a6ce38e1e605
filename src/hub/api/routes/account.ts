/** Coming in: what the sign-in page offers, passwords, codes, the setup link, and the organization's own provider. */
import { firstOwner, secondFactorProof, signIn, signInAnswer, signInMethods } from "#src/protocol/account.ts";
import { z } from "#src/protocol/schema.ts";
import type { Accounts, Attempt, Cookies } from "../account-ports.ts";
import { createTrail, traceOf } from "../audit.ts";
import { readJson } from "../body.ts";
import { type Audit } from "../ports.ts";
import { HttpFault, challenge } from "../problem.ts";
import { type Call, type Route, route } from "../route.ts";
import type { Admitted, Throttle } from "../throttle.ts";

export type AccountRoutesWorld = {
  readonly accounts: Accounts;
  readonly audit: Audit;
  readonly throttle: Throttle;
};

const group = "Sign-in";
const nowhere = z.object({ next: z.optional(z.string().check(z.maxLength(2000))) });

export function accountRoutes({ accounts, audit, throttle }: AccountRoutesWorld): Route[] {
  const trail = createTrail(audit);

  /** Tells the trail how an attempt ended, and makes an answer of it. */
  async function conclude(call: Call, attempt: Attempt, admitted: Admitted, tried: string): Promise<Response> {
    if (attempt.state === "refused") {
      const { about, why, retryAfterSeconds } = attempt;
      const target = { kind: "person", id: about?.id ?? null, name: about?.email ?? tried };
      await audit.record(about?.organizationId ?? null, {
        action: "person.sign-in-failed",
        ...traceOf({ ...call, caller: { kind: "nobody" } }),
        target,
        details: { why },
      });
      const headers = retryAfterSeconds === undefined ? challenge : { "retry-after": String(retryAfterSeconds) };
      throw new HttpFault(retryAfterSeconds === undefined ? 401 : 429, why, headers);
    }
    admitted.succeeded();
    if (attempt.state === "second-factor") return withCookies(Response.json({ twoFactor: true }), attempt.cookies);
    const { person, cookies } = attempt;
    await trail({ ...call, caller: person }, "person.signed-in", { kind: "person", id: person.id, name: person.email });
    return withCookies(Response.json({ twoFactor: false }), cookies);
  }

  return [
    route({
      method: "GET",
      path: "/api/auth/methods",
      permission: "none",
      group,
      summary: "What the sign-in page offers",
      answer: signInMethods,
      handle: () => Response.json(accounts.methods()),
    }),
    route({
      method: "POST",
      path: "/api/auth/setup",
      permission: "none",
      group,
      summary: "Make the first owner, with the token of the setup link that the hub prints while nobody has an account",
      body: firstOwner,
      answer: signInAnswer,
      async handle(call) {
        const owner = await readJson(call.request, firstOwner);
        const admitted = throttle.admit("setup", call.address);
        const attempt = await accounts.setup(call, owner);
        if (attempt.state === "signed-in") {
          const { organizationId, organizationName } = await namesOf(accounts, attempt.person);
          await trail({ ...call, caller: attempt.person }, "organization.created", {
            kind: "organization",
            id: organizationId,
            name: organizationName,
          });
        }
        return await conclude(call, attempt, admitted, owner.email);
      },
    }),
    route({
      method: "POST",
      path: "/api/auth/sign-in",
      permission: "none",
      group,
      summary: "Sign in with e-mail and password; the session comes as a cookie",
      body: signIn,
      answer: signInAnswer,
      async handle(call) {
        const { email, password } = await readJson(call.request, signIn);
        const admitted = throttle.admit("sign-in", call.address, email);
        return await conclude(call, await accounts.signIn(call, email, password), admitted, email);
      },
    }),
    route({
      method: "POST",
      path: "/api/auth/second-factor",
      permission: "none",
      group,
      summary: "Finish signing in with the code of an authenticator, or a backup code",
      body: secondFactorProof,
      answer: signInAnswer,
      async handle(call) {
        const { code } = await readJson(call.request, secondFactorProof);
        const admitted = throttle.admit("second-factor", call.address);
        return await conclude(call, await accounts.secondFactor(call, code), admitted, "unknown");
      },
    }),
    route({
      method: "GET",
      path: "/api/auth/oidc",
      permission: "none",
      group,
      summary: "Go and sign in with the organization's OpenID Connect provider",
      query: nowhere,
      status: 302,
      async handle(call) {
        throttle.admit("oidc", call.address).succeeded();
        const { location, cookies } = await accounts.startOidc(call, pathOf(call.query.next));
        return withCookies(redirect(location), cookies);
      },
    }),
    route({
      method: "GET",
      path: "/api/auth/callback/oidc",
      permission: "none",
      group,
      summary: "Where the OpenID Connect provider sends the browser back to",
      status: 302,
      async handle(call) {
        const admitted = throttle.admit("oidc", call.address);
        const { location, cookies, person, joined } = await accounts.finishOidc(call);
        if (person !== null) {
          admitted.succeeded();
          const target = { kind: "person", id: person.id, name: person.email };
          if (joined) await trail({ ...call, caller: person }, "member.joined", target, { role: person.role });
          await trail({ ...call, caller: person }, "person.signed-in", target, { by: "oidc" });
        }
        return withCookies(redirect(location), cookies);
      },
    }),
  ];
}

async function namesOf(accounts: Accounts, person: Parameters<Accounts["organization"]>[0]) {
  const { id, name } = await accounts.organization(person);
  return { organizationId: id, organizationName: name };
}

/** A path of this hub to go to, in ASCII; anything that could lead elsewhere becomes the start page. */
function pathOf(next: string | undefined): string {
  if (next === undefined || !/^\/(?![/\\])[^\s\\]*$/.test(next)) return "/";
  const base = "http://hub.invalid";
  if (!URL.canParse(next, base)) return "/";
  const { origin, pathname, search, hash } = new URL(next, base);
  // two slashes, which dots in the path may leave at its beginning, would be followed by a host
  return origin === base && !pathname.startsWith("//") ? pathname + search + hash : "/";
}

function redirect(location: string): Response {
  return new Response(null, { status: 302, headers: { location, "cache-control": "no-store" } });
}

/** The answer with cookies in it. */
export function withCookies(response: Response, cookies: Cookies): Response {
  for (const cookie of cookies) response.headers.append("set-cookie", cookie);
  return response;
}
