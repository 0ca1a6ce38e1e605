/** Whether who opened a live stream may still read it: a stream outlives a sign-out, a removal and a revocation. */
import { bearerOf } from "../authorize.ts";
import type { MemberCaller } from "../caller.ts";
import type { Identify, Tokens } from "../ports.ts";

/** Asked every few seconds, with the request that opened the stream. Rejects when it can't tell. */
export type StillGood = (call: { readonly request: Request; readonly caller: MemberCaller }) => Promise<boolean>;

/**
 * The same person in the same session and organization, or the same key, alive. A person who goes over to another
 * organization loses the stream too; the page opens it again.
 */
export function createStillGood(identify: Identify, tokens: Pick<Tokens, "authenticate">): StillGood {
  return async ({ request, caller }) => {
    if (caller.kind === "key") {
      const token = bearerOf(request);
      return token !== undefined && tokens.authenticate(token)?.id === caller.id;
    }
    const person = await identify(request);
    return (
      person !== null &&
      person.id === caller.id &&
      person.sessionId === caller.sessionId &&
      person.organizationId === caller.organizationId
    );
  };
}
