/** Problem documents (RFC 9457): every answer that is not a success. */
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
  409: "Conflict",
  413: "Too large",
  415: "Unsupported media type",
  429: "Too many requests",
  500: "Internal error",
  502: "Unreachable",
  503: "Unavailable",
};

/** Seconds after which a client may try again when the hub is full or overloaded. */
export const retryAfterSeconds = 5;

/** An answer that says what was wrong. `detail` is for people. */
export function problem(status: number, detail: string, headers: Readonly<Record<string, string>> = {}): Response {
  const body = { type: "about:blank", title: titles[status] ?? "Error", status, detail };
  return new Response(JSON.stringify(body), {
    status,
    headers: { "content-type": "application/problem+json", "cache-control": "no-store", ...headers },
  });
}

/** The answer for anything thrown. What is not a Fault is a defect of ours: its text stays in the log. */
export function problemOf(error: unknown): Response {
  if (error instanceof HttpFault) return problem(error.status, error.message, error.headers);
  if (!(error instanceof Fault)) return problem(500, "the hub failed to answer; its log says why");
  const status = statusOf[error.code];
  return problem(status, error.oneLine, status === 503 ? { "retry-after": String(retryAfterSeconds) } : {});
}

/** A failure with an HTTP status of its own. */
export class HttpFault extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.name = "HttpFault";
    this.status = status;
    this.headers = headers;
  }
}
