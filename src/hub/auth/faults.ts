/** better-auth's errors as Faults. */
import { isAPIError } from "better-auth/api";

import { Fault, type FaultCode, reasonOf } from "#src/protocol/fault.ts";

/** Codes of better-auth that a person can act on. */
const known: Readonly<Record<string, readonly [FaultCode, string, string?]>> = {
  INVALID_PASSWORD: ["denied", "the current password is wrong"],
  CREDENTIAL_ACCOUNT_NOT_FOUND: [
    "conflict",
    "this account has no password: it signs in with the organization's provider",
  ],
  TOTP_ALREADY_ENABLED: ["conflict", "a second factor is enabled already", "Disable it first"],
  TOTP_NOT_ENABLED: ["conflict", "no second factor was begun with", "Enable it first"],
  TWO_FACTOR_NOT_ENABLED: ["conflict", "no second factor is enabled"],
  BACKUP_CODES_NOT_ENABLED: ["conflict", "no second factor is enabled"],
  INVALID_CODE: ["denied", "the code is wrong", "Check that the clocks of both devices are right"],
  INVALID_BACKUP_CODE: ["denied", "the code is wrong, or was used already"],
  INVALID_TWO_FACTOR_COOKIE: ["unauthenticated", "the sign-in took too long", "Start again with the password"],
  TOO_MANY_ATTEMPTS_REQUEST_NEW_CODE: ["unauthenticated", "too many wrong codes", "Start again with the password"],
  ACCOUNT_TEMPORARILY_LOCKED: ["limited", "too many wrong codes", "Try again in 15 minutes"],
  UNAUTHORIZED: ["unauthenticated", "not signed in"],
};

/** What better-auth calls a failure, or undefined for one of another kind. */
export function codeOf(error: unknown): string | undefined {
  if (!isAPIError(error)) return undefined;
  const body: unknown = error.body;
  if (typeof body !== "object" || body === null) return undefined;
  if ("code" in body && typeof body.code === "string") return body.code;
  // the device endpoints speak OAuth
  return "error" in body && typeof body.error === "string" ? body.error : undefined;
}

const byStatus: Readonly<Record<number, FaultCode>> = {
  400: "invalid",
  401: "unauthenticated",
  403: "denied",
  404: "not-found",
  409: "conflict",
  422: "invalid",
  429: "limited",
};

/** A Fault for what better-auth refused; anything else, its own failures too, as it is. */
export function faultOf(error: unknown): unknown {
  const code = codeOf(error);
  const entry = code === undefined ? undefined : known[code];
  if (entry !== undefined) {
    const [fault, message, hint] = entry;
    return new Fault(fault, message, { ...(hint === undefined ? {} : { hint }), cause: error });
  }
  const fault = isAPIError(error) ? byStatus[error.statusCode] : undefined;
  return fault === undefined ? error : new Fault(fault, reasonOf(error), { cause: error });
}

/** Runs `work` with its failures translated. */
export async function translated<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw faultOf(error);
  }
}
