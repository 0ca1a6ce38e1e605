/** Whether the hub lives and whether it can work. */
import { z } from "#src/protocol/schema.ts";
import { problem, retryAfterSeconds } from "../problem.ts";
import type { CheckReadiness } from "../readiness.ts";
import { type Route, route } from "../route.ts";

const health = z.object({ status: z.literal("ok"), version: z.string() });
/** degraded: it takes and answers everything, and a person should see to its problems */
const readiness = z.object({ status: z.enum(["ready", "degraded"]), problems: z.array(z.string()) });

export type HealthDeps = {
  readonly version: string;
  readonly check: CheckReadiness;
  /** What is wrong with the disk of the hub's data, null: nothing; `full`: nothing can be stored. */
  readonly disk: () => { readonly problem: string | null; readonly full: boolean };
};

export function healthRoutes({ version, check, disk }: HealthDeps): Route[] {
  return [
    route({
      method: "GET",
      path: "/healthz",
      permission: "none",
      group: "Health",
      summary: "200 while the process lives",
      answer: health,
      handle: () => Response.json({ status: "ok", version }),
    }),
    route({
      method: "GET",
      path: "/readyz",
      permission: "none",
      group: "Health",
      summary: "200 while the hub takes what comes; `problems` says what a person should see to",
      answer: readiness,
      async handle() {
        const { problems, down } = await check();
        const found = disk();
        const why = down ?? (found.full ? (found.problem ?? "") : null);
        if (why !== null) return problem(503, why, { "retry-after": String(retryAfterSeconds) });
        const all = found.problem === null ? problems : [found.problem, ...problems];
        const status = all.length === 0 ? "ready" : "degraded";
        return Response.json({ status, problems: all }, { headers: { "cache-control": "no-store" } });
      },
    }),
  ];
}
