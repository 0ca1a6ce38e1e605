/** `orion whoami`: which hub commands speak to, and as whom. Asks the hub, so that it is true. */
import { session as personSession } from "#src/protocol/account.ts";
import { projectsPage } from "#src/protocol/project.ts";

import { command } from "../command.ts";
import { exitCodes } from "../exit.ts";
import { kindOfToken, requireAccess } from "../hub/access.ts";
import { createHubClient } from "../hub/client.ts";
import { print, printJson } from "../output.ts";

export const whoami = command({
  args: {},
  async run({ session }) {
    const { address, token, renew, from } = requireAccess(session);
    const hub = createHubClient(address, { token, renew });
    if (kindOfToken(token) === "session") {
      const { person, organization, expiresAt } = await hub.ask({ path: "/api/auth/session" }, personSession);
      const { email, name } = person;
      if (session.json)
        await printJson({ kind: "person", url: address.url, email, name, organization, expiresAt, from });
      else {
        const until = expiresAt.slice(0, 10);
        await print(`${email}, ${organization.role} of ${organization.name}, at ${address.url} until ${until}\n`);
      }
      return exitCodes.done;
    }
    await hub.ask({ path: "/api/projects", query: { limit: "1" } }, projectsPage);
    const hint = token.slice(0, 8);
    if (session.json) await printJson({ kind: "key", url: address.url, hint, from });
    else await print(`API key ${hint}… at ${address.url} (from ${from})\n`);
    return exitCodes.done;
  },
});
