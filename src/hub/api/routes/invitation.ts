/** The invited person's side of an invitation. */
import { invitationAcceptance, invitationView, signInAnswer } from "#src/protocol/account.ts";
import { withCookies } from "./account.ts";
import type { Accounts } from "../account-ports.ts";
import { createTrail } from "../audit.ts";
import { readJson } from "../body.ts";
import type { Audit, Identify } from "../ports.ts";
import { type Route, route } from "../route.ts";
import type { Throttle } from "../throttle.ts";

export type InvitationRoutesWorld = {
  readonly accounts: Accounts;
  readonly identify: Identify;
  readonly audit: Audit;
  readonly throttle: Throttle;
};

const group = "Invitations";

export function invitationRoutes({ accounts, identify, audit, throttle }: InvitationRoutesWorld): Route[] {
  const trail = createTrail(audit);
  return [
    route({
      method: "GET",
      path: "/api/invitations/:token",
      permission: "none",
      group,
      summary: "What an invitation is to",
      answer: invitationView,
      async handle({ params, address }) {
        const admitted = throttle.admit("invitation", address);
        const view = await accounts.invitation(params["token"] ?? "");
        admitted.succeeded();
        return Response.json(view);
      },
    }),
    route({
      method: "POST",
      path: "/api/invitations/:token",
      permission: "none",
      group,
      summary: "Accept an invitation: with a password for somebody new, signed in for somebody known",
      body: invitationAcceptance,
      answer: signInAnswer,
      async handle(call) {
        const acceptance = await readJson(call.request, invitationAcceptance);
        const admitted = throttle.admit("invitation", call.address);
        const caller = await identify(call.request);
        const token = call.params["token"] ?? "";
        const { person, cookies } = await accounts.acceptInvitation(call, caller, token, acceptance);
        admitted.succeeded();
        const target = { kind: "person", id: person.id, name: person.email };
        await trail({ ...call, caller: person }, "member.joined", target, { role: person.role });
        return withCookies(Response.json({ twoFactor: false }), cookies);
      },
    }),
  ];
}
