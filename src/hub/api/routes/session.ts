/** What signed-in people do with their own account: sessions, name, password, second factor. */
import {
  backupCodesList,
  organizationChoice,
  passwordChange,
  passwordProof,
  person,
  personChange,
  secondFactorProof,
  session,
  sessionsList,
  twoFactorSecret,
} from "#src/protocol/account.ts";
import { withCookies } from "./account.ts";
import type { Accounts } from "../account-ports.ts";
import { type Trail, createTrail } from "../audit.ts";
import { readJson } from "../body.ts";
import type { PersonCaller } from "../caller.ts";
import type { Audit } from "../ports.ts";
import { HttpFault } from "../problem.ts";
import { type Route, route } from "../route.ts";
import type { Throttle } from "../throttle.ts";

export type SessionRoutesWorld = {
  readonly accounts: Accounts;
  readonly audit: Audit;
  readonly throttle: Throttle;
};

const group = "Own account";

export function sessionRoutes({ accounts, audit, throttle }: SessionRoutesWorld): Route[] {
  const trail = createTrail(audit);
  return [...sessions(accounts, trail), ...factors(accounts, trail, throttle)];
}

function sessions(accounts: Accounts, trail: Trail): Route[] {
  return [
    route({
      method: "GET",
      path: "/api/auth/session",
      permission: "session",
      group,
      summary: "Who is signed in, and in which organization",
      answer: session,
      async handle(call) {
        const { session, cookies } = await accounts.session(call, call.caller);
        return withCookies(Response.json(session), cookies);
      },
    }),
    route({
      method: "PATCH",
      path: "/api/auth/session",
      permission: "session",
      group,
      summary: "Choose the organization that this session is about",
      body: organizationChoice,
      answer: session,
      async handle(call) {
        const { id } = await readJson(call.request, organizationChoice);
        const caller = await accounts.chooseOrganization(call, call.caller, id);
        const { session, cookies } = await accounts.session(call, caller);
        return withCookies(Response.json(session), cookies);
      },
    }),
    route({
      method: "POST",
      path: "/api/auth/sign-out",
      permission: "session",
      group,
      summary: "End this session",
      status: 204,
      async handle(call) {
        const cookies = await accounts.signOut(call);
        await trail(call, "person.signed-out", self(call.caller));
        return withCookies(new Response(null, { status: 204 }), cookies);
      },
    }),
    route({
      method: "POST",
      path: "/api/auth/sign-out-everywhere",
      permission: "session",
      group,
      summary: "End all own sessions, this one too",
      status: 204,
      async handle(call) {
        const cookies = await accounts.signOutEverywhere(call, call.caller);
        await trail(call, "person.signed-out-everywhere", self(call.caller));
        return withCookies(new Response(null, { status: 204 }), cookies);
      },
    }),
    route({
      method: "GET",
      path: "/api/auth/sessions",
      permission: "session",
      group,
      summary: "Own sessions, newest first",
      answer: sessionsList,
      handle: async (call) => Response.json(await accounts.sessions(call.caller)),
    }),
    route({
      method: "DELETE",
      path: "/api/auth/sessions/:id",
      permission: "session",
      group,
      summary: "End one of the own sessions",
      status: 204,
      async handle(call) {
        const id = call.params["id"] ?? "";
        if (!(await accounts.endSession(call.caller, id)))
          throw new HttpFault(404, "there is no such session of yours");
        await trail(call, "person.signed-out", self(call.caller), { session: id });
        return new Response(null, { status: 204 });
      },
    }),
    route({
      method: "PATCH",
      path: "/api/auth/person",
      permission: "session",
      group,
      summary: "Change the own name",
      body: personChange,
      answer: person,
      async handle(call) {
        const { name } = await readJson(call.request, personChange);
        return Response.json(await accounts.rename(call.caller, name));
      },
    }),
  ];
}

function factors(accounts: Accounts, trail: Trail, throttle: Throttle): Route[] {
  /** Runs what asks for the own password or a code again: whoever stole a session could guess here. */
  async function proven<T>(kind: string, caller: PersonCaller, address: string | null, work: () => Promise<T>) {
    const admitted = throttle.admit(kind, address, caller.id);
    const result = await work();
    admitted.succeeded();
    return result;
  }

  return [
    route({
      method: "POST",
      path: "/api/auth/password",
      permission: "session",
      group,
      summary: "Change the own password; all other sessions end",
      body: passwordChange,
      status: 204,
      async handle(call) {
        const { caller, address } = call;
        const { current, new: next } = await readJson(call.request, passwordChange);
        await proven("password", caller, address, () => accounts.changePassword(call, caller, current, next));
        await trail(call, "person.password-changed", self(caller));
        return new Response(null, { status: 204 });
      },
    }),
    route({
      method: "POST",
      path: "/api/auth/two-factor",
      permission: "session",
      group,
      summary: "Begin with a second factor: the authenticator's secret and backup codes, shown this once",
      body: passwordProof,
      answer: twoFactorSecret,
      async handle(call) {
        const { password } = await readJson(call.request, passwordProof);
        const { caller, address } = call;
        return Response.json(await proven("password", caller, address, () => accounts.enableTwoFactor(call, password)));
      },
    }),
    route({
      method: "POST",
      path: "/api/auth/two-factor/confirm",
      permission: "session",
      group,
      summary: "Prove that the authenticator works; from then on its code is asked for at sign-in",
      body: secondFactorProof,
      status: 204,
      async handle(call) {
        const { caller, address } = call;
        const { code } = await readJson(call.request, secondFactorProof);
        const cookies = await proven("code", caller, address, () => accounts.confirmTwoFactor(call, caller, code));
        await trail(call, "person.two-factor-enabled", self(caller));
        return withCookies(new Response(null, { status: 204 }), cookies);
      },
    }),
    route({
      method: "POST",
      path: "/api/auth/two-factor/disable",
      permission: "session",
      group,
      summary: "No second factor any more",
      body: passwordProof,
      status: 204,
      async handle(call) {
        const { password } = await readJson(call.request, passwordProof);
        const { caller, address } = call;
        const cookies = await proven("password", caller, address, () => accounts.disableTwoFactor(call, password));
        await trail(call, "person.two-factor-disabled", self(caller));
        return withCookies(new Response(null, { status: 204 }), cookies);
      },
    }),
    route({
      method: "POST",
      path: "/api/auth/two-factor/backup-codes",
      permission: "session",
      group,
      summary: "New backup codes, shown this once; the old ones are dead",
      body: passwordProof,
      answer: backupCodesList,
      async handle(call) {
        const { password } = await readJson(call.request, passwordProof);
        const { caller, address } = call;
        const backupCodes = await proven("password", caller, address, () => accounts.newBackupCodes(call, password));
        return Response.json({ backupCodes });
      },
    }),
  ];
}

function self({ id, email }: PersonCaller) {
  return { kind: "person", id, name: email };
}
