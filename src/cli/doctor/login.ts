/** Is the command line's login with a hub still good? */
import { projectsPage } from "#src/protocol/project.ts";

import { CliFault, exitCodes } from "../exit.ts";
import { findAccess } from "../hub/access.ts";
import { createHubClient } from "../hub/client.ts";
import type { Session } from "../session.ts";
import { type Finding, fail, ok, warn } from "./finding.ts";

const answerWithinMs = 5000;

/** Nothing to say when nobody is signed in: most hosts need no login. */
export async function checkLogin(session: Session | undefined): Promise<readonly Finding[]> {
  if (session === undefined) return [];
  try {
    const access = findAccess(session);
    if (access === undefined) return [];
    const { address, token, renew, from } = access;
    const hub = createHubClient(address, { token, renew });
    await hub.ask({ path: "/api/projects", query: { limit: "1" }, withinMs: answerWithinMs }, projectsPage);
    return [ok("login", `signed in to ${address.url} (${from})`)];
  } catch (error) {
    if (!(error instanceof CliFault)) throw error;
    const { message, hint, exitCode } = error;
    const what = exitCode === exitCodes.hubRefused ? `the login has expired or was ended: ${message}` : message;
    // the agent needs no login: nothing of it is broken
    return [(exitCode === exitCodes.hubRefused ? fail : warn)("login", what, hint ?? "Sign in: orion login")];
  }
}
