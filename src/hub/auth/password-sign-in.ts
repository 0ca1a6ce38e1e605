/**
 * Sign-in with e-mail and password as a better-auth endpoint of our own. better-auth's takes only addresses with a
 * dotted domain, but a hub in a private network has `admin@localhost`.
 */
import type { BetterAuthPlugin } from "better-auth";
import { APIError, createAuthEndpoint } from "better-auth/api";
import { setSessionCookie } from "better-auth/cookies";

import { z } from "#src/protocol/schema.ts";

const body = z.object({ email: z.string(), password: z.string() });

export function passwordSignIn() {
  return {
    id: "orion-password",
    endpoints: {
      // one of the paths after which the twoFactor plugin asks for a code
      signInPassword: createAuthEndpoint("/sign-in/username", { method: "POST", body }, async (ctx) => {
        const { internalAdapter, password } = ctx.context;
        const found = await internalAdapter.findUserByEmail(ctx.body.email, { includeAccounts: true });
        const hash = found?.accounts.find((account) => account.providerId === "credential")?.password;
        if (found === null || hash === null || hash === undefined) {
          // as long as it takes for somebody known
          await password.hash(ctx.body.password);
          throw new APIError("UNAUTHORIZED", { code: "INVALID_EMAIL_OR_PASSWORD" });
        }
        if (!(await password.verify({ hash, password: ctx.body.password }))) {
          throw new APIError("UNAUTHORIZED", { code: "INVALID_EMAIL_OR_PASSWORD" });
        }
        const session = await internalAdapter.createSession(found.user.id);
        await setSessionCookie(ctx, { session, user: found.user });
        return ctx.json({ userId: found.user.id });
      }),
    },
  } satisfies BetterAuthPlugin;
}
