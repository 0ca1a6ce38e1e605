/** Which hub the settings name, and whether it may be spoken to. */
import type { Config } from "#src/protocol/config.ts";
import type { Problem } from "#src/protocol/ipc.ts";

import type { Connection } from "./delivery/door.ts";

/** A request header can't carry anything else (RFC 9110, section 5.5). */
const headerSafe = /^[\x21-\x7e]+$/;
/** `localhost` and what lies below it (RFC 6761), 127.0.0.0/8, and ::1, as a parsed URL writes them. */
const loopback = /^(?:(?:.+\.)?localhost|127(?:\.\d{1,3}){3}|\[::1\]|\[::ffff:7f[0-9a-f]{2}:[0-9a-f]{1,4}\])$/;

/** What the environment calls each part of a connection. */
const variables = { apiUrl: "ORION_ENDPOINT", token: "ORION_AGENT_TOKEN", serverId: "ORION_SERVER_ID" } as const;

/**
 * The hub to report to, or null when none is named, or not completely, or one that would be told the token in the clear.
 * @param path the config file, for the advice in what is added to `found`
 */
export function findConnection(merged: Config, path: string, found: Problem[]): Connection | null {
  const { apiUrl, token, serverId, caFile } = merged;
  const missing = Object.entries({ apiUrl, token, serverId }).filter(([, value]) => value === undefined);
  if (missing.length === 3) return null;
  const refuse = (why: string, todo: string): null => {
    found.push({ what: "not connected to a hub", why, todo });
    return null;
  };
  if (apiUrl === undefined || token === undefined || serverId === undefined) {
    const names = missing.map(([key]) => key).join(" and ");
    const inEnvironment = missing.map(([key]) => variables[key as keyof typeof variables]).join(" and ");
    const why = `${names} ${missing.length === 1 ? "is" : "are"} not set`;
    return refuse(why, `Set ${names} in ${path}, or ${inEnvironment} in the environment`);
  }
  for (const [key, value] of Object.entries({ token, serverId })) {
    if (headerSafe.test(value)) continue;
    const why = `${key} holds white space or characters that no ${key} has`;
    return refuse(why, `Copy ${key} again from the hub`);
  }
  if (!URL.canParse(apiUrl)) return refuse(`apiUrl is not a URL: ${apiUrl}`, `Correct apiUrl in ${path}`);
  const url = new URL(apiUrl);
  if (url.protocol === "http:" && !merged.insecureHttp && !loopback.test(url.hostname)) {
    return refuse(
      `${apiUrl} is not encrypted: everybody on the way could read the token and all that is sent`,
      `Use an https:// address (and caFile for a private certificate authority), or accept the risk with insecureHttp in ${path} or ORION_INSECURE_HTTP=true`,
    );
  }
  const connection = { apiUrl: apiUrl.replace(/\/+$/, ""), token, serverId };
  return caFile === undefined ? connection : { ...connection, caFile };
}
