/** What is taken out of lines and events before they are stored, so that who looks for it knows why it isn't there. */
import { type RedactionOverview, redactionOverview } from "#src/protocol/redaction.ts";
import { type Route, route } from "../route.ts";
import { jsonText } from "./server-view.ts";

export function redactionRoutes(overview: RedactionOverview): Route[] {
  return [
    route({
      method: "GET",
      path: "/api/redaction",
      permission: "view:servers",
      group: "Logs",
      summary: "Which kinds of secrets are taken out of lines and events before they are stored",
      answer: redactionOverview,
      handle: () => jsonText(JSON.stringify(overview)),
    }),
  ];
}
