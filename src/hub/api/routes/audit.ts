/** Reading the audit trail. */
import { auditActions, auditPage } from "#src/protocol/audit.ts";
import { z } from "#src/protocol/schema.ts";
import type { Audit } from "../ports.ts";
import { type Route, route } from "../route.ts";

const search = z.object({
  action: z.optional(z.enum(auditActions)),
  /** id of what it was done to */
  target: z.optional(z.string().check(z.maxLength(100))),
  /** id of who did it */
  actor: z.optional(z.string().check(z.maxLength(100))),
  limit: z._default(z.coerce.number().check(z.minimum(1), z.maximum(1000), z.multipleOf(1)), 100),
  cursor: z.optional(z.string().check(z.regex(/^-?\d{1,16}\.\d{1,16}$/, "is not one that this hub gave out"))),
});

export function auditRoutes({ audit }: { readonly audit: Pick<Audit, "search"> }): Route[] {
  return [
    route({
      method: "GET",
      path: "/api/audit",
      permission: "manage:servers",
      group: "Audit",
      summary: "Who did what to which thing, when and from where, newest first",
      query: search,
      answer: auditPage,
      async handle({ query, caller }) {
        const page = await audit.search({
          organizationId: caller.organizationId,
          action: query.action ?? null,
          target: query.target ?? null,
          actor: query.actor ?? null,
          limit: query.limit,
          before: query.cursor ?? null,
        });
        return Response.json(page, { headers: { "cache-control": "no-store" } });
      },
    }),
  ];
}
