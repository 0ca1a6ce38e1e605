/** An organization's people: members, their roles, and invitations to it. */
import {
  invitationRequest,
  member,
  memberChange,
  newInvitation,
  organization,
  organizationChange,
} from "#src/protocol/account.ts";
import type { Accounts } from "../account-ports.ts";
import { createTrail } from "../audit.ts";
import { readJson } from "../body.ts";
import { type Scope, grants } from "#src/protocol/access.ts";
import type { Audit, TokenView, Tokens } from "../ports.ts";
import { HttpFault } from "../problem.ts";
import { type Call, type Route, route } from "../route.ts";

export type OrganizationRoutesWorld = {
  readonly accounts: Accounts;
  readonly tokens: Pick<Tokens, "madeBy" | "revoke">;
  readonly audit: Audit;
};

const group = "Organization";

export function organizationRoutes({ accounts, tokens, audit }: OrganizationRoutesWorld): Route[] {
  const trail = createTrail(audit);

  /** Nobody's token may do more than its maker may: those that would are revoked. */
  async function limitTokens(
    call: Call<unknown, "manage:organization">,
    email: string,
    may: readonly string[],
  ): Promise<void> {
    const { organizationId } = call.caller;
    for (const token of tokens.madeBy(organizationId, email)) {
      if (needs(token).every((scope) => may.includes(scope))) continue;
      if ((await tokens.revoke(organizationId, token.id)) === undefined) continue;
      const action = token.kind === "key" ? "key.revoked" : "enrolment.revoked";
      await trail(call, action, { kind: token.kind, id: token.id, name: token.name }, { maker: email });
    }
  }
  return [
    route({
      method: "GET",
      path: "/api/organization",
      permission: "session",
      group,
      summary: "The organization, its members, and for owners the open invitations",
      answer: organization,
      handle: async (call) => Response.json(await accounts.organization(call.caller)),
    }),
    route({
      method: "PATCH",
      path: "/api/organization",
      permission: "manage:organization",
      group,
      summary: "Rename the organization",
      body: organizationChange,
      answer: organization,
      async handle(call) {
        const { name } = await readJson(call.request, organizationChange);
        const renamed = await accounts.renameOrganization(call.caller, name);
        await trail(call, "organization.renamed", { kind: "organization", id: renamed.id, name });
        return Response.json(renamed);
      },
    }),
    route({
      method: "POST",
      path: "/api/organization/invitations",
      permission: "manage:organization",
      group,
      summary: "Invite somebody; the link to hand on is shown this once",
      body: invitationRequest,
      answer: newInvitation,
      status: 201,
      async handle(call) {
        const { email, role } = await readJson(call.request, invitationRequest);
        const invitation = await accounts.invite(call.caller, email, role);
        await trail(call, "member.invited", { kind: "invitation", id: invitation.id, name: email }, { role });
        return Response.json(invitation, { status: 201 });
      },
    }),
    route({
      method: "DELETE",
      path: "/api/organization/invitations/:id",
      permission: "manage:organization",
      group,
      summary: "Take an invitation back; its link is dead at once",
      status: 204,
      async handle(call) {
        const id = call.params["id"] ?? "";
        const revoked = await accounts.revokeInvitation(call.caller, id);
        if (revoked === undefined) throw new HttpFault(404, "there is no such invitation");
        await trail(call, "member.invitation-revoked", { kind: "invitation", id, name: revoked.email });
        return new Response(null, { status: 204 });
      },
    }),
    route({
      method: "PATCH",
      path: "/api/organization/members/:id",
      permission: "manage:organization",
      group,
      summary: "Change a member's role; the last owner stays one, and tokens they made that reach further are revoked",
      body: memberChange,
      answer: member,
      async handle(call) {
        const { role } = await readJson(call.request, memberChange);
        const { member, before } = await accounts.changeRole(call.caller, call.params["id"] ?? "", role);
        const target = { kind: "person", id: member.id, name: member.email };
        await trail(call, "member.role-changed", target, { from: before, to: role });
        await limitTokens(call, member.email, grants[role]);
        return Response.json(member);
      },
    }),
    route({
      method: "DELETE",
      path: "/api/organization/members/:id",
      permission: "manage:organization",
      group,
      summary: "Remove a member; their sessions in the organization end, and the tokens that they made",
      status: 204,
      async handle(call) {
        const removed = await accounts.removeMember(call.caller, call.params["id"] ?? "");
        await trail(call, "member.removed", { kind: "person", id: removed.id, name: removed.email });
        await limitTokens(call, removed.email, []);
        return new Response(null, { status: 204 });
      },
    }),
  ];
}

/** What a maker must be allowed to do to have made it. */
const needs = (token: TokenView): readonly Scope[] => (token.kind === "key" ? token.scopes : ["manage:servers"]);
