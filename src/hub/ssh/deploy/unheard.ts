/** Why a new agent was not heard of. */
import { Fault } from "#src/protocol/fault.ts";

/** @param heard the version that reported with the new token instead; null: none did */
export function unheard(
  heard: string | null,
  { version, url, withinMs }: { readonly version: string; readonly url: string; readonly withinMs: number },
): Fault {
  if (heard !== null) {
    return new Fault("failed", `the agent that reports is ${heard}, not ${version}`, {
      hint: "Does another agent run with this server's token?",
    });
  }
  return new Fault("failed", `the new agent did not report within ${withinMs / 1000} s`, {
    hint: `Can the host reach ${url}? Try there: curl -sS ${url}/healthz; the agent's own words: journalctl -u orion-agent, or docker logs orion-agent`,
  });
}

export const withdrawn = (): Fault =>
  new Fault("conflict", "the server's token was rotated or revoked while the agent was being put there", {
    hint: "Deploy again, which gives the host a token that is good",
  });
