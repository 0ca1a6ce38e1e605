/** One request to the hub, and what its answer means to a sender. */
import { reasonOf } from "#src/protocol/fault.ts";

import type { Connection } from "./door.ts";
import { createTrust, explainTls } from "./trust.ts";

/** Longest wait for an answer; a hub that commits to disk under load may take seconds. */
const answerWithinMs = 30_000;

/** What came of a request. */
export type Answer =
  | { readonly kind: "ok"; readonly body: unknown }
  /** the token is wrong, was rotated or revoked */
  | { readonly kind: "refused"; readonly reason: string }
  /** this content will never be taken: 400, 413, 422 */
  | { readonly kind: "unacceptable"; readonly reason: string; readonly tooLarge: boolean }
  /** try again: no connection, no answer, 5xx, 429 */
  | { readonly kind: "later"; readonly reason: string; readonly retryAfterMs?: number };

export type Request = {
  readonly path: string;
  readonly body: Uint8Array<ArrayBuffer> | string;
  readonly headers: Readonly<Record<string, string>>;
};

/** Sends one request; aborting `controller` ends it early. */
export type Client = (connection: Connection, request: Request, controller?: AbortController) => Promise<Answer>;

/** Creates the client. It never throws: every failure is an answer. */
export function createClient(userAgent: string): Client {
  const trustFor = createTrust();
  return async (connection, request, controller = new AbortController()) => {
    const trust = trustFor(connection.caFile);
    if (!trust.ok) return { kind: "later", reason: trust.reason };
    const url = `${connection.apiUrl.replace(/\/+$/, "")}${request.path}`;
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      controller.abort();
    }, answerWithinMs);
    try {
      const response = await fetch(url, {
        method: "POST",
        body: request.body,
        headers: {
          ...request.headers,
          authorization: `Bearer ${connection.token}`,
          "x-server-id": connection.serverId,
          "user-agent": userAgent,
        },
        signal: controller.signal,
        redirect: "manual",
        ...(trust.tls !== undefined && { tls: trust.tls }),
      });
      return await readAnswer(response);
    } catch (error) {
      const untrusted = explainTls(error, url, connection.caFile);
      return { kind: "later", reason: untrusted ?? explain(error, timedOut) };
    } finally {
      clearTimeout(timer);
    }
  };
}

async function readAnswer(response: Response): Promise<Answer> {
  const text = await response.text();
  const { status } = response;
  if (status >= 200 && status < 300) return { kind: "ok", body: parse(text) };
  const reason = `the hub answered ${status}${detailOf(text)}`;
  if (status === 401 || status === 403) return { kind: "refused", reason };
  if (status === 400 || status === 413 || status === 422) {
    return { kind: "unacceptable", reason, tooLarge: status === 413 };
  }
  const retryAfter = Number(response.headers.get("retry-after") ?? "");
  if (Number.isFinite(retryAfter) && retryAfter > 0) return { kind: "later", reason, retryAfterMs: retryAfter * 1000 };
  return { kind: "later", reason };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // the caller's schema says what was expected
    return undefined;
  }
}

/** The detail of a problem document (RFC 9457), if that is what the body is. */
function detailOf(text: string): string {
  const value = parse(text);
  if (typeof value !== "object" || value === null) return "";
  const detail = "detail" in value ? value.detail : "title" in value ? value.title : undefined;
  return typeof detail === "string" ? `: ${detail}` : "";
}

function explain(error: unknown, timedOut: boolean): string {
  if (timedOut) return `no answer within ${answerWithinMs / 1000} s`;
  return reasonOf(error);
}
