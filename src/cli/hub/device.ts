/** Signing in by another device's browser: device authorization (RFC 8628). */
import { hostname } from "node:os";

import { deviceCode, deviceToken, type devicePurposes } from "#src/protocol/account.ts";

import type { Environment } from "../environment.ts";
import { CliFault, exitCodes } from "../exit.ts";
import { openBrowser } from "./browser.ts";
import type { HubClient } from "./client.ts";
import { HubRefusal } from "./refusal.ts";

const clientId = "orion-cli";
const grantType = "urn:ietf:params:oauth:grant-type:device_code";
/** Seconds that `slow_down` adds, and the longest wait between two polls however often the hub was away. */
const slowDownSeconds = 5;
const longestSeconds = 60;
/** Milliseconds for the answer to a poll. */
const pollWithinMs = 5000;

export type DeviceSignIn = {
  readonly purpose: (typeof devicePurposes)[number];
  readonly environment: Environment;
  readonly signal: AbortSignal;
  /** Shows a person what to do; lines of a few words. */
  readonly show: (lines: readonly string[]) => Promise<void>;
};

/**
 * Shows link and code, and waits until somebody has approved. Gives the token of a session, also when `signal` was
 * aborted just then: whoever gets one ends it.
 * @throws {CliFault} denied or too late (exit code 4), or the hub can't be reached
 */
export async function signInByDevice(
  hub: HubClient,
  { purpose, environment, signal, show }: DeviceSignIn,
): Promise<string> {
  const body = { client_id: clientId, hostname: hostname(), purpose };
  const code = await hub.ask({ method: "POST", path: "/api/auth/device/code", body, signal }, deviceCode);
  const link = reachable(code.verification_uri_complete, hub.address.url);
  const opened = openBrowser(link, environment);
  await show([
    opened ? "Your browser should show this page now:" : "Open this page in a browser, on any machine:",
    `  ${link}`,
    `Check that it shows the code  ${code.user_code}`,
  ]);
  const deadline = performance.now() + code.expires_in * 1000;
  let seconds = Math.max(1, code.interval);
  for (;;) {
    await sleep(seconds * 1000, signal);
    if (performance.now() > deadline) throw tooLate();
    try {
      const request = { grant_type: grantType, device_code: code.device_code, client_id: clientId };
      // not given up half-way: a session that was just granted must be known, to be ended
      const poll = { method: "POST", path: "/api/auth/device/token", body: request, withinMs: pollWithinMs } as const;
      return (await hub.ask(poll, deviceToken)).access_token;
    } catch (error) {
      seconds = nextInterval(error, seconds);
    }
  }
}

/** A hub without a publicUrl that listens on every address can't know its own: then it is the one it was reached by. */
function reachable(link: string, url: string): string {
  const { hostname: host, pathname, search } = new URL(link);
  return host === "0.0.0.0" || host === "[::]" ? `${new URL(url).origin}${pathname}${search}` : link;
}

/** Seconds until the next poll. @throws the error, when there is none */
function nextInterval(error: unknown, seconds: number): number {
  if (!(error instanceof CliFault)) throw error;
  // section 3.5: when the hub is away, ask less and less often
  if (error.exitCode === exitCodes.noHub) return Math.min(longestSeconds, seconds * 2);
  if (!(error instanceof HubRefusal)) throw error;
  if (error.status === 429) return Math.max(seconds, error.retryAfterSeconds ?? seconds + slowDownSeconds);
  switch (error.error) {
    case "authorization_pending":
      return seconds;
    case "slow_down":
      return seconds + slowDownSeconds;
    case "access_denied":
      throw new CliFault(
        exitCodes.hubRefused,
        "denied",
        "the sign-in was denied in the browser",
        "If that was a mistake, run the command again",
      );
    case "expired_token":
      throw tooLate();
    default:
      throw error;
  }
}

const tooLate = () =>
  new CliFault(
    exitCodes.hubRefused,
    "unauthenticated",
    "nobody approved the sign-in before its code expired",
    "Run the command again for a new code",
  );

/** Rejects with the signal's reason as soon as it is aborted. */
async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const stop = () => reject(signal.reason);
  signal.addEventListener("abort", stop);
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  }
}
