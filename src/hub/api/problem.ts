/** Problem documents (RFC 9457): every answer that is not a success. */
import type { ProblemDocument } from "#src/protocol/api.ts";
import { Fault, type FaultCode } from "#src/protocol/fault.ts";

const statusOf: Readonly<Record<FaultCode, number>> = {
  invalid: 400,
  "not-found": 404,
  conflict: 409,
  unauthenticated: 401,
  denied: 403,
  limited: 429,
  unreachable: 502,
  unavailable: 503,
  failed: 500,
};

const titles: Readonly<Record<number, string>> = {
  400: "Bad request",
  401: "Not signed in",
  403: "Not permitted",
  404: "Not found",
  405: "Method not allowed",
  408: "Request timeout",
  409: "Conflict",
  413: "Too large",
  415: "Unsupported media type",
  426: "Upgrade required",
  429: "Too many requests",
  500: "Internal error",
  502: "Unreachable",
  503: "Unavailable",
};

/** Seconds after which a client may try again when the hub is full or overloaded. */
export const retryAfterSeconds = 5;
/** Seconds after which one that tried too often may, when nobody said how long. */
const limitedSeconds = 60;

/** RFC 6750 section 3: how to come in. */
export const challenge = { "www-authenticate": 'Bearer realm="orion"' };

type Headers = Readonly<Record<string, string>>;

/** Members of a problem document beside the usual ones. */
export type ProblemMembers = Pick<ProblemDocument, "error" | "requestId">;

/** An answer that says what was wrong. `detail` is for people. */
export function problem(status: number, detail: string, headers: Headers = {}, members: ProblemMembers = {}): Response {
  const body: ProblemDocument = { type: "about:blank", title: titles[status] ?? "Error", status, detail, ...members };
  return new Response(JSON.stringify(body), {
    status,
    headers: { "content-type": "application/problem+json", "cache-control": "no-store", ...headers },
  });
}

/** The answer for anything thrown. What is not a Fault is a defect of ours: its text stays in the log. */
export function problemOf(error: unknown, members: ProblemMembers = {}): Response {
  if (error instanceof HttpFault) {
    return problem(error.status, error.message, error.headers, { ...members, ...error.members });
  }
  if (!(error instanceof Fault)) return problem(500, "the hub failed to answer; its log says why", {}, members);
  const status = statusOf[error.code];
  return problem(status, error.oneLine, headersOf[status], members);
}

const headersOf: Readonly<Record<number, Headers>> = {
  401: challenge,
  429: { "retry-after": String(limitedSeconds) },
  503: { "retry-after": String(retryAfterSeconds) },
};

/** A failure with an HTTP status of its own. */
export class HttpFault extends Error {
  readonly status: number;
  readonly headers: Headers;
  readonly members: ProblemMembers;

  constructor(status: number, message: string, headers: Headers = {}, members: ProblemMembers = {}) {
    super(message);
    this.name = "HttpFault";
    this.status = status;
    this.headers = headers;
    this.members = members;
  }
}
