/** A hub's answer that is no success (RFC 9457), as a failure of the command. */
import { problemDocument } from "#src/protocol/api.ts";
import type { FaultCode } from "#src/protocol/fault.ts";
import { z } from "#src/protocol/schema.ts";

import { harmless } from "../colour.ts";
import { CliFault, type ExitCode, exitCodes } from "../exit.ts";

/** The hub answered, and not with a success. */
export class HubRefusal extends CliFault {
  readonly status: number;
  /** of OAuth answers: RFC 6749 section 5.2, RFC 8628 section 3.5 */
  readonly error: string | undefined;
  /** after which it may be asked again */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    exitCode: ExitCode,
    code: FaultCode,
    message: string,
    hint: string | undefined,
    facts: Pick<HubRefusal, "status" | "error" | "retryAfterSeconds">,
  ) {
    super(exitCode, code, message, hint);
    this.name = "HubRefusal";
    this.status = facts.status;
    this.error = facts.error;
    this.retryAfterSeconds = facts.retryAfterSeconds;
  }
}

const codes: Readonly<Record<number, FaultCode>> = {
  400: "invalid",
  401: "unauthenticated",
  403: "denied",
  404: "not-found",
  409: "conflict",
  429: "limited",
  502: "unreachable",
  503: "unavailable",
  504: "unreachable",
};

/** Reads the answer to its end. `renew` says what to do about a token that is not accepted. */
export async function refusal(url: string, response: Response, renew = "Sign in: orion login"): Promise<HubRefusal> {
  const { status, headers } = response;
  const text = await response.text().catch(() => "");
  const { detail, error } = readProblem(text);
  const seconds = Number(headers.get("retry-after") ?? Number.NaN);
  const retryAfterSeconds = Number.isFinite(seconds) && seconds >= 0 ? seconds : undefined;
  const facts = { status, error, retryAfterSeconds };
  const code = codes[status] ?? "failed";
  const said = detail === undefined ? undefined : harmless(detail, false).replace(/\.\s*$/, "");

  if (status >= 300 && status < 400) {
    const target = harmless(headers.get("location") ?? "elsewhere", false);
    const message = `${url} leads on to ${target}`;
    return new HubRefusal(exitCodes.failed, "failed", message, "Use the hub's own address", facts);
  }
  if (status === 401) {
    return new HubRefusal(exitCodes.hubRefused, code, said ?? `${url} does not accept the token`, renew, facts);
  }
  if (status === 403) {
    const message = said ?? `${url} does not permit this`;
    return new HubRefusal(
      exitCodes.hubRefused,
      code,
      message,
      "Ask an owner of the organization, or use a key with that right",
      facts,
    );
  }
  if (status === 429) {
    const wait = retryAfterSeconds === undefined ? "Try again later" : `Try again in ${retryAfterSeconds} s`;
    return new HubRefusal(exitCodes.failed, code, said ?? `${url} has been asked too often`, wait, facts);
  }
  if (status >= 502 && status <= 504) {
    const message = `the hub at ${url} can't answer now (${status})${said === undefined ? "" : `: ${said}`}`;
    return new HubRefusal(exitCodes.noHub, code, message, "Try again in a moment", facts);
  }
  if (said !== undefined) return new HubRefusal(exitCodes.failed, code, said, undefined, facts);
  const hint = status >= 500 ? "Look at the hub's log" : "Is it an Orion hub? Check its address, without /api";
  return new HubRefusal(exitCodes.failed, code, `${url} answered ${status}`, hint, facts);
}

function readProblem(text: string): { readonly detail?: string | undefined; readonly error?: string | undefined } {
  try {
    const read = z.core.safeParse(problemDocument, JSON.parse(text));
    return read.success ? { detail: read.data.detail ?? read.data.title, error: read.data.error } : {};
  } catch {
    // no JSON: another program answers here, or a proxy before the hub; the status says enough
    return {};
  }
}
