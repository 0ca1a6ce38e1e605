/** Whom a wizard acts as: a token that was given, the command line's own login, or a browser for the time being. */
import type { devicePurposes } from "#src/protocol/account.ts";

import { usageFault } from "../exit.ts";
import { findAccess, hubVariables, kindOfToken } from "../hub/access.ts";
import type { HubAddress } from "../hub/address.ts";
import { type HubClient, createHubClient } from "../hub/client.ts";
import { signInByDevice } from "../hub/device.ts";
import { signOut } from "../hub/session.ts";
import type { Interruptible, Undo } from "../interrupt.ts";
import { note } from "../output.ts";
import type { Session } from "../session.ts";
import { readToken } from "../token-input.ts";
import type { Check, Questions } from "./questions.ts";

/** `enrolment`: may register this host and nothing else. */
export type SignedIn = { readonly hub: HubClient; readonly kind: "member" | "enrolment" };

export type SignInRequest = {
  readonly address: HubAddress;
  /** the flag; `-` reads it from stdin */
  readonly token: string | undefined;
  readonly purpose: (typeof devicePurposes)[number];
  /** whether a token that only registers hosts will do */
  readonly enrolment: boolean;
};

/** A session that is made for the wizard ends with it, however that ends. */
export async function signInForSetup(
  session: Session,
  { address, token, purpose, enrolment }: SignInRequest,
  questions: Questions,
  control: Interruptible & Undo,
): Promise<SignedIn> {
  const check: Check = (text) => wrongKind(text, enrolment);
  const given = token === undefined ? hubVariables(session).token : await readToken(token);
  if (given !== undefined) {
    const wrong = await check(given);
    if (wrong !== undefined) throw usageFault(`this token ${wrong}`, "Give an API key (oak_…) with --token");
    return withToken(address, given);
  }
  const access = findAccess(session);
  if (access !== undefined && access.address.url === address.url) {
    await note(`Signed in to ${address.url} already (${access.from})`);
    return { hub: createHubClient(address, { token: access.token, renew: access.renew }), kind: "member" };
  }
  const how = await questions.choose({
    flag: "--token",
    message: `How do you sign in to ${address.url}?`,
    options: [
      { value: "browser", label: "In a browser", hint: "on this machine or any other" },
      { value: "token", label: enrolment ? "With an API key or an enrolment token" : "With an API key" },
    ],
    // without a person there is nobody to approve in a browser
    ...(questions.interactive ? { offer: 0 } : {}),
  } as const);
  if (how === "token") return withToken(address, await questions.secret({ flag: "--token", message: "Token", check }));
  const show = async (lines: readonly string[]) => {
    for (const line of lines) await note(line);
  };
  const { environment } = session;
  const { signal } = control;
  const granted = await signInByDevice(createHubClient(address), { purpose, environment, signal, show });
  const hub = createHubClient(address, { token: granted });
  control.always("the session of this setup", () => signOut(hub));
  signal.throwIfAborted();
  return { hub, kind: "member" };
}

function withToken(address: HubAddress, token: string): SignedIn {
  const renew = "Give a valid token with --token";
  return {
    hub: createHubClient(address, { token, renew }),
    kind: kindOfToken(token) === "enrolment" ? "enrolment" : "member",
  };
}

function wrongKind(token: string, enrolment: boolean): string | undefined {
  if (!/^[\x21-\x7e]{1,1000}$/.test(token)) return "holds characters that no token has";
  switch (kindOfToken(token)) {
    case "agent":
      return "is a server's agent token, which an agent reports with; it can't set anything up";
    case "source":
      return "is a source's token, which an application logs with; it can't set anything up";
    case "enrolment":
      return enrolment ? undefined : "is an enrolment token, which registers hosts and can do nothing else";
    default:
      return undefined;
  }
}
