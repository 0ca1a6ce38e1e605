/** Requests to the hub's API, and what went wrong with one. */
import type { ProblemDocument } from "#src/protocol/api.ts";

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** An answer that is not a success; `message` is for people. */
export class ApiFault extends Error {
  /** of HTTP; 0: no answer at all */
  readonly status: number;
  /** seconds after which it may be tried again */
  readonly retryAfterSeconds: number | null;

  constructor(status: number, message: string, retryAfterSeconds: number | null = null) {
    super(message);
    this.name = "ApiFault";
    this.status = status;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

export type SendOptions = {
  readonly body?: unknown;
  readonly signal?: AbortSignal;
  /** media type of the answer; JSON unless told */
  readonly accept?: string;
  /** a 401 is an answer like any other, not the end of the session */
  readonly anonymous?: boolean;
};

let signedOut: () => void = () => undefined;

/** Whom to tell when the hub no longer knows this session. */
export function onSignedOut(listener: () => void): void {
  signedOut = listener;
}

/**
 * Sends a request and gives the answer's JSON; undefined for an empty one.
 * @throws {ApiFault} the hub refused or does not answer
 */
export async function send<T = unknown>(method: Method, path: string, options: SendOptions = {}): Promise<T> {
  const response = await ask(method, path, options);
  const text = await response.text();
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

/**
 * Sends a request and gives the answer, whose body the caller reads.
 * @throws {ApiFault} the hub refused or does not answer
 */
export async function ask(method: Method, path: string, options: SendOptions = {}): Promise<Response> {
  const response = await fetch(path, {
    method,
    headers: {
      accept: options.accept ?? "application/json",
      ...(options.body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  }).catch((error: unknown) => {
    if (options.signal?.aborted === true) throw error;
    throw new ApiFault(0, "The hub does not answer. Check your connection, then try again.");
  });
  if (response.ok) return response;
  if (response.status === 401 && options.anonymous !== true) signedOut();
  throw await faultOf(response);
}

/** @throws {ApiFault} */
export const get = <T>(path: string, options: SendOptions = {}): Promise<T> => send<T>("GET", path, options);

/** `/api/projects/:id` with its parts filled in and a query; empty values are left out. */
export function address(
  pattern: string,
  params: Readonly<Record<string, string>> = {},
  query: Readonly<Record<string, string | number | null | undefined>> = {},
): string {
  const path = pattern.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(params[name] ?? ""));
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value != null && value !== "") search.set(name, `${value}`);
  return search.size === 0 ? path : `${path}?${search}`;
}

/** The sentence to show for anything thrown. */
export function sentenceOf(error: unknown): string {
  if (!(error instanceof Error) || error.message === "") return "Something failed in this page. Load it again.";
  return sentence(error.message);
}

/** With a capital and a full stop, as people read it. */
export function sentence(text: string): string {
  const whole = `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}

async function faultOf(response: Response): Promise<ApiFault> {
  const retryAfter = Number(response.headers.get("retry-after") ?? "");
  const seconds = retryAfter > 0 ? retryAfter : null;
  const document = (await response.json().catch(() => undefined)) as Partial<ProblemDocument> | undefined;
  const said = document?.detail ?? document?.title;
  return new ApiFault(response.status, said ?? `the hub answered with status ${response.status}`, seconds);
}
