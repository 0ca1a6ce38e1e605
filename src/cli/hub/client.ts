/** Client of the hub's API: JSON both ways, answers checked, every failure one line that says what to do. */
import { readFileSync } from "node:fs";

import { Fault, reasonOf } from "#src/protocol/fault.ts";
import { check, type z } from "#src/protocol/schema.ts";
import { version } from "#src/protocol/version.ts";

import { CliFault, exitCodes } from "../exit.ts";
import { type HubAddress, refuseExposed } from "./address.ts";
import { refusal } from "./refusal.ts";
import { unreachable } from "./trouble.ts";

/** Milliseconds for an answer; a stream has as long as it likes once it began. */
const answerWithinMs = 30_000;

export type Ask = {
  readonly method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** `/api/servers` */
  readonly path: string;
  /** values that are undefined are left out */
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** gives the request up; left out where something changes, so that it is known whether it did */
  readonly signal?: AbortSignal;
  /** milliseconds for the answer, when it should come sooner than others */
  readonly withinMs?: number;
};

export type HubClient = {
  readonly address: HubAddress;
  /**
   * Asks and gives the answer, checked.
   * @throws {HubRefusal} the hub answered, but not with a success
   * @throws {CliFault} with exit code 5 when it can't be reached
   */
  ask<S extends z.core.$ZodType>(ask: Ask, answer: S): Promise<z.core.output<S>>;
  /** The same for what answers nothing that matters. */
  order(ask: Ask): Promise<void>;
  /** The same for an answer that goes on. */
  open(ask: Ask & { readonly signal: AbortSignal }): Promise<ReadableStream<Uint8Array>>;
};

export type Credentials = {
  /** undefined: as nobody */
  readonly token?: string;
  /** what to do when the token is refused; "Sign in: orion login" unless told */
  readonly renew?: string;
};

/**
 * @throws {CliFault} the certificate authority's file can't be used, or a token would travel unencrypted
 */
export function createHubClient(address: HubAddress, { token, renew }: Credentials = {}): HubClient {
  if (token !== undefined) refuseExposed(address);
  const tls = address.caFile === undefined ? {} : { tls: { ca: readAuthority(address.caFile) } };

  async function send(ask: Ask, signal: AbortSignal): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(urlOf(address.url, ask), {
        method: ask.method ?? "GET",
        // a token must not follow to wherever an answer leads
        redirect: "manual",
        signal,
        headers: {
          accept: "application/json",
          "user-agent": `orion/${version}`,
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(ask.body === undefined ? {} : { "content-type": "application/json" }),
          ...ask.headers,
        },
        ...(ask.body === undefined ? {} : { body: JSON.stringify(ask.body) }),
        ...tls,
      });
    } catch (error) {
      if (ask.signal?.aborted === true) throw ask.signal.reason;
      throw unreachable(address, error);
    }
    if (response.ok) return response;
    throw await refusal(address.url, response, renew);
  }

  async function answerOf(ask: Ask): Promise<string> {
    const inTime = AbortSignal.timeout(ask.withinMs ?? answerWithinMs);
    const signal = ask.signal === undefined ? inTime : AbortSignal.any([ask.signal, inTime]);
    const response = await send(ask, signal);
    try {
      return await response.text();
    } catch (error) {
      if (ask.signal?.aborted === true) throw ask.signal.reason;
      throw unreachable(address, error);
    }
  }

  return {
    address,
    async ask(ask, answer) {
      const text = await answerOf(ask);
      try {
        return check(answer, JSON.parse(text), "the answer");
      } catch (error) {
        const why = error instanceof Fault ? error.message : "its answer is no JSON";
        throw new CliFault(
          exitCodes.failed,
          "failed",
          `${address.url} did not answer ${ask.path} as a hub does: ${why}`,
          "Is it an Orion hub, and of the same version? See orion --version",
          error,
        );
      }
    },
    async order(ask) {
      await answerOf(ask);
    },
    async open(ask) {
      const began = new AbortController();
      const timer = setTimeout(() => began.abort(new DOMException("", "TimeoutError")), answerWithinMs);
      try {
        const response = await send(ask, AbortSignal.any([ask.signal, began.signal]));
        return response.body ?? new Blob([]).stream();
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

function urlOf(base: string, { path, query = {} }: Ask): string {
  const words = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [`${encodeURIComponent(name)}=${encodeURIComponent(value)}`],
  );
  return `${base}${path}${words.length === 0 ? "" : `?${words.join("&")}`}`;
}

/** @throws {CliFault} naming the file and why it can't be used */
export function readAuthority(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw unusable(file, reasonOf(error));
  }
  if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  throw unusable(file, "it holds no certificate (-----BEGIN CERTIFICATE-----)");
}

const unusable = (file: string, why: string) =>
  new CliFault(
    exitCodes.failed,
    "invalid",
    `the certificate authority ${file} can't be used: ${why}`,
    "Name a PEM file that this user may read with --ca-file",
  );
