/** `orion logout`: ends the session on the hub and forgets it here. */
import { command } from "../command.ts";
import { CliFault, exitCodes } from "../exit.ts";
import { createHubClient } from "../hub/client.ts";
import { addressOf, loginPath, readLogin, removeLogin } from "../hub/login-file.ts";
import { signOut } from "../hub/session.ts";
import { note, print, printJson } from "../output.ts";

export const logout = command({
  args: {},
  about: "An API key is only forgotten here; revoke it on the hub when nobody needs it any more.",
  async run({ session }) {
    const path = loginPath(session);
    const login = readLogin(path);
    if (login === undefined) {
      if (session.json) await printJson({ signedOut: false });
      else await note("Nobody is signed in");
      return exitCodes.done;
    }
    const { url } = login;
    let failure: CliFault | undefined;
    if (login.kind === "person") {
      try {
        await signOut(createHubClient(addressOf(login), { token: login.token }));
      } catch (error) {
        if (!(error instanceof CliFault)) throw error;
        failure = error;
      }
    }
    // forgotten here in any case: that much was asked for
    removeLogin(path);
    if (failure !== undefined) {
      throw new CliFault(
        failure.exitCode,
        failure.code,
        `the login is forgotten here, but the session lives on: ${failure.message}`,
        `End it in the browser: ${url}/account`,
        failure,
      );
    }
    if (session.json) await printJson({ signedOut: true, url });
    else if (login.kind === "key") await print(`The API key for ${url} is forgotten\n`);
    else await print(`Signed out of ${url}\n`);
    return exitCodes.done;
  },
});
