/** Entries that applications send themselves, with their source's token. */
import { applicationEntries } from "#src/protocol/application-log.ts";
import { logsAnswer } from "#src/protocol/log.ts";
import { batchName } from "./agent-routes.ts";
import { type Route, route } from "../route.ts";
import { readSourceBody } from "./source-log-body.ts";
import type { Intake } from "./source-log-intake.ts";

export function sourceLogRoutes(intake: Intake): Route[] {
  return [
    route({
      method: "POST",
      path: "/api/logs",
      permission: "source",
      group: "Logs",
      summary:
        "Log from an application: one object, an array, or one object a line; all of it is stored or nothing; a repeat of the same X-Batch-Id adds nothing",
      body: applicationEntries,
      bodyTypes: ["application/json", "application/x-ndjson"],
      answer: logsAnswer,
      status: 202,
      handle: ({ request, caller }) =>
        intake.receive(request, caller, {
          read: (plain) => ({ ...readSourceBody(plain, intake.now()), bytes: plain.length }),
          async store(read, sweep) {
            const answer = await intake.store(caller, { ...read, batchId: batchName(request), sweep });
            return Response.json(answer, { status: 202 });
          },
        }),
    }),
  ];
}
