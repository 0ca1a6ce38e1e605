/** API keys: made by a person for themselves or for a machine, never more powerful than their maker. */
import { timestamp } from "#src/lib/clock.ts";
import { grants } from "#src/protocol/access.ts";
import { type ApiKey, apiKeyRequest, apiKeysList, newApiKey } from "#src/protocol/account.ts";
import type { Trail } from "../audit.ts";
import { readJson } from "../body.ts";
import type { PersonCaller } from "../caller.ts";
import { byPlace, newestFirst, pageOf, pageQuery, placeBy } from "../paging.ts";
import type { TokenView, Tokens } from "../ports.ts";
import { HttpFault } from "../problem.ts";
import { type Route, route } from "../route.ts";
import { jsonText } from "./server-view.ts";

export type KeyDeps = {
  readonly tokens: Pick<Tokens, "keys" | "createKey" | "revoke">;
  readonly trail: Trail;
  readonly now: () => number;
};

const dayMs = 86_400_000;

const placeOf = (one: TokenView) => placeBy(newestFirst(one.createdAtMs), one.id);

export function keyRoutes({ tokens, trail, now }: KeyDeps): Route[] {
  /** The keys that a person may see and revoke: all, or their own. */
  function keysOf({ organizationId, role, email }: PersonCaller): readonly TokenView[] {
    const all = tokens.keys(organizationId);
    return grants[role].includes("manage:servers") ? all : all.filter((key) => key.createdBy === email);
  }

  return [
    route({
      method: "GET",
      path: "/api/auth/keys",
      permission: "session",
      group: "API keys",
      summary: "API keys, newest first: all of the organization, or for viewers their own",
      query: pageQuery,
      answer: apiKeysList,
      handle({ query, caller }) {
        const { items, cursor } = pageOf(byPlace(keysOf(caller), placeOf), query, placeOf);
        return jsonText(JSON.stringify({ keys: items.map(view), cursor }));
      },
    }),
    route({
      method: "POST",
      path: "/api/auth/keys",
      permission: "session",
      group: "API keys",
      summary: "Make an API key with at most the rights of its maker; it is shown this once",
      body: apiKeyRequest,
      answer: newApiKey,
      status: 201,
      async handle(call) {
        const { caller } = call;
        const { name, scopes, expiresInDays } = await readJson(call.request, apiKeyRequest);
        const wanted = [...new Set(scopes)];
        const beyond = wanted.filter((scope) => !grants[caller.role].includes(scope));
        if (beyond.length > 0) {
          throw new HttpFault(403, `a key can't have ${beyond.join(" and ")}, which the role ${caller.role} has not`);
        }
        const { view: made, token } = await tokens.createKey({
          organizationId: caller.organizationId,
          name,
          scopes: wanted,
          createdBy: caller.email,
          expiresAtMs: expiresInDays == null ? null : now() + expiresInDays * dayMs,
        });
        const details = { scopes: wanted, expiresInDays: expiresInDays ?? null };
        await trail(call, "key.created", { kind: "key", id: made.id, name }, details);
        return jsonText(JSON.stringify({ ...view(made), token }), 201);
      },
    }),
    route({
      method: "DELETE",
      path: "/api/auth/keys/:id",
      permission: "session",
      group: "API keys",
      summary: "Revoke an API key; it is dead at once",
      status: 204,
      async handle(call) {
        const id = call.params["id"] ?? "";
        const known = keysOf(call.caller).some((key) => key.id === id);
        const revoked = known ? await tokens.revoke(call.caller.organizationId, id) : undefined;
        if (revoked === undefined) throw new HttpFault(404, "there is no such API key");
        await trail(call, "key.revoked", { kind: "key", id, name: revoked.name });
        return new Response(null, { status: 204 });
      },
    }),
  ];
}

function view({ id, name, hint, scopes, createdBy, ...key }: TokenView): ApiKey {
  return {
    id,
    name,
    hint,
    scopes: [...scopes],
    createdAt: timestamp(key.createdAtMs),
    createdBy,
    expiresAt: key.expiresAtMs === null ? null : timestamp(key.expiresAtMs),
    lastUsedAt: key.lastUsedAtMs === null ? null : timestamp(key.lastUsedAtMs),
  };
}
