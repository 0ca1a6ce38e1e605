/** What of a request better-auth gets to see. */
import type { From } from "./ports.ts";

/** Carries the address that we found out; better-auth writes it beside a session. */
export const addressHeader = "x-orion-address";

const passed = ["cookie", "authorization", "user-agent"];
/** Longest `User-Agent` that is kept of a session, in characters. */
const maxAgent = 300;

export function engineHeaders({ request, address }: From): Headers {
  const headers = new Headers();
  for (const name of passed) {
    const value = request.headers.get(name);
    if (value !== null) headers.set(name, name === "user-agent" ? value.slice(0, maxAgent) : value);
  }
  // a request is of one person only: with a token, the cookies that are sent along don't count, as in sessions.ts
  if (headers.has("authorization")) headers.delete("cookie");
  if (address !== null) headers.set(addressHeader, address);
  return headers;
}

/** Headers of somebody who holds this session. */
export function bearerHeaders(token: string, from?: From): Headers {
  const headers = from === undefined ? new Headers() : engineHeaders(from);
  headers.delete("cookie");
  headers.set("authorization", `Bearer ${token}`);
  return headers;
}
