/**
 * Which hub a command speaks to, and as whom: `ORION_API_URL` and `ORION_API_TOKEN`, else the login file, else the
 * trial that lives below `--dir`.
 */
import { isAbsolute, resolve } from "node:path";

import { readOwnedFile } from "#src/lib/owned-file.ts";
import { tokenPrefixes } from "#src/protocol/access.ts";
import { credentials } from "#src/protocol/api.ts";
import { check } from "#src/protocol/schema.ts";

import { CliFault, exitCodes, usageFault } from "../exit.ts";
import type { Session } from "../session.ts";
import { type HubAddress, parseAddress } from "./address.ts";
import { type HubClient, createHubClient } from "./client.ts";
import { loginPath, readLogin } from "./login-file.ts";

export type Access = {
  readonly address: HubAddress;
  readonly token: string;
  /** where it was found, for people */
  readonly from: string;
  /** what to do when the token is refused */
  readonly renew: string;
};

/** What the environment says of the hub, for those that have other ways to learn it. */
export type HubVariables = {
  readonly url: string | undefined;
  readonly token: string | undefined;
  readonly caFile: string | undefined;
  readonly insecureHttp: boolean;
};

/** @throws {CliFault} `ORION_API_URL` is no address */
export function hubVariables({ environment: { variables, cwd } }: Session): HubVariables {
  const given = (name: string) => (variables[name] === "" ? undefined : variables[name]);
  const url = given("ORION_API_URL");
  const caFile = given("ORION_CA_FILE");
  return {
    url: url === undefined ? undefined : parseAddress("ORION_API_URL", url),
    token: given("ORION_API_TOKEN"),
    caFile: caFile === undefined || isAbsolute(caFile) ? caFile : resolve(cwd, caFile),
    insecureHttp: given("ORION_INSECURE_HTTP") === "true",
  };
}

/** Undefined: signed in nowhere. @throws {CliFault} what is there can't be used */
export function findAccess(session: Session): Access | undefined {
  const variables = hubVariables(session);
  const path = loginPath(session);
  if (variables.token !== undefined) {
    const kept = variables.url === undefined ? readLogin(path) : undefined;
    const url = variables.url ?? kept?.url;
    if (url === undefined)
      throw usageFault("ORION_API_TOKEN is set, but no hub", "Set ORION_API_URL to the hub's address");
    const address = addressOf({ url, caFile: kept?.caFile, insecureHttp: kept?.insecureHttp }, variables);
    return { address, token: variables.token, from: "ORION_API_TOKEN", renew: "Correct ORION_API_TOKEN" };
  }
  const kept = readLogin(path);
  if (kept !== undefined && (variables.url === undefined || variables.url === kept.url)) {
    const renew = kept.kind === "key" ? "Sign in with another key: orion login --token KEY" : "Sign in: orion login";
    return { address: addressOf(kept, variables), token: kept.token, from: path, renew };
  }
  return variables.url === undefined ? trialAccess(session) : undefined;
}

/** @throws {CliFault} with exit code 4 when nobody is signed in */
export function requireAccess(session: Session): Access {
  const access = findAccess(session);
  if (access !== undefined) return access;
  throw new CliFault(
    exitCodes.hubRefused,
    "unauthenticated",
    "not signed in to a hub",
    "Sign in: orion login --api-url https://YOUR-HUB (or set ORION_API_URL and ORION_API_TOKEN)",
  );
}

/** A client that acts for whoever is signed in. @throws {CliFault} */
export function connectHub(session: Session): HubClient {
  const { address, token, renew } = requireAccess(session);
  return createHubClient(address, { token, renew });
}

function addressOf(
  known: { url: string; caFile?: string | undefined; insecureHttp?: boolean | undefined },
  variables: HubVariables,
): HubAddress {
  const caFile = variables.caFile ?? known.caFile;
  const insecureHttp = variables.insecureHttp || known.insecureHttp === true;
  return { url: known.url, ...(caFile === undefined ? {} : { caFile }), ...(insecureHttp ? { insecureHttp } : {}) };
}

/** `orion up` leaves what a program needs to use it. */
function trialAccess({ dir, paths }: Session): Access | undefined {
  if (dir === undefined) return undefined;
  const file = readOwnedFile(paths.credentials);
  if (file.state !== "text") return undefined;
  const { url, apiKey } = check(credentials, JSON.parse(file.text), paths.credentials);
  if (apiKey === undefined) return undefined;
  return {
    address: { url },
    token: apiKey,
    from: paths.credentials,
    renew: `Start the trial again: orion up --dir ${dir}`,
  };
}

/** What a token is by its prefix; a session's has none. */
export function kindOfToken(token: string): keyof typeof tokenPrefixes | "session" {
  for (const [kind, prefix] of Object.entries(tokenPrefixes)) {
    if (token.startsWith(prefix)) return kind as keyof typeof tokenPrefixes;
  }
  return "session";
}
