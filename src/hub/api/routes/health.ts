/** Whether the hub lives and whether it can work. */
import { z } from "#src/protocol/schema.ts";
import type { Events } from "../ports.ts";
import { problem, retryAfterSeconds } from "../problem.ts";
import { type Route, route } from "../route.ts";

const health = z.object({ status: z.literal("ok"), version: z.string() });
/** degraded: it takes and answers everything, and a person should see to its problems */
const readiness = z.object({ status: z.enum(["ready", "degraded"]), problems: z.array(z.string()) });

export type HealthDeps = {
  readonly events: Pick<Events, "ready">;
  readonly version: string;
  /** What is wrong with the disk of the hub's data, null: nothing; `full`: nothing can be stored. */
  readonly disk: () => { readonly problem: string | null; readonly full: boolean };
};

export function healthRoutes({ events, version, disk }: HealthDeps): Route[] {
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
      summary: "200 while the store answers and takes what comes; `problems` says what a person should see to",
      answer: readiness,
      handle() {
        if (!events.ready()) return problem(503, "the store does not answer");
        const found = disk();
        if (found.full) return problem(503, found.problem ?? "", { "retry-after": String(retryAfterSeconds) });
        const problems = found.problem === null ? [] : [found.problem];
        const status = problems.length === 0 ? "ready" : "degraded";
        return Response.json({ status, problems }, { headers: { "cache-control": "no-store" } });
      },
    }),
  ];
}
