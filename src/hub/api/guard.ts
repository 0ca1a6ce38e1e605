/**
 * Guards against hostile pages in the browser of somebody who is signed in.
 *
 * - A request that carries `Authorization: Bearer` is not a page's: no page of another site can send that header
 *   without being asked for by CORS, which the hub never answers.
 * - Everything else may be sent by a page together with the reader's cookie. The browser says where it comes from:
 *   `Sec-Fetch-Site` (w3c.github.io/webappsec-fetch-metadata), or to plain HTTP `Origin` (fetch.spec.whatwg.org). What
 *   another site's page asks for is refused, but for opening a link.
 * - A hub that listens on this machine only is reached by names of this machine and by publicUrl, nothing else: DNS
 *   rebinding would make a hostile page reach it under the page's own name. A hub that listens beyond this machine is
 *   reached by whatever names it has; its cookies belong to the name that they were given under.
 */
import { bearerOf } from "./authorize.ts";
import { HttpFault } from "./problem.ts";

/** Names whose verdict is remembered. */
const maxKnownNames = 100;

export type Guard = (request: Request) => void;

export type GuardSettings = {
  /** where the hub listens */
  readonly host: string;
  readonly publicUrl: string | null;
};

const harmless: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** Throws HttpFault 403. */
export function createGuard({ host, publicUrl }: GuardSettings): Guard {
  const own = publicUrl === null ? null : new URL(publicUrl);
  const anyName = !isLoopback(host);
  // agents send the same few names thousands of times
  const known = new Map<string, boolean>();

  function isOurs(host: string): boolean {
    const verdict = known.get(host);
    if (verdict !== undefined) return verdict;
    const name = hostnameOf(host);
    const ours = name !== undefined && (anyName || name === own?.hostname || isLoopback(name));
    if (known.size >= maxKnownNames) known.clear();
    known.set(host, ours);
    return ours;
  }

  return (request) => {
    const { headers } = request;
    const host = headers.get("host") ?? "";
    // load balancers ask after a hub's health in HTTP/1.0; a browser names where it means to go
    const isNameless = host === "" && harmless.has(request.method);
    if (!isNameless && !isOurs(host)) {
      throw new HttpFault(
        403,
        `this hub does not answer to the name "${host.slice(0, 100)}"; set publicUrl if it should`,
      );
    }
    if (bearerOf(request) !== undefined) return;
    const reads = harmless.has(request.method);
    const site = headers.get("sec-fetch-site");
    if (site !== null) {
      if (site === "same-origin" || site === "none") return;
      if (reads && headers.get("sec-fetch-mode") === "navigate") return;
      throw foreign(reads);
    }
    const origin = headers.get("origin");
    if (reads || origin === null || isSame(origin, host, own)) return;
    throw foreign(reads);
  };
}

function foreign(reads: boolean): HttpFault {
  return new HttpFault(403, `a page of another site may not ${reads ? "read" : "change"} anything here`);
}

function isSame(origin: string, host: string, own: URL | null): boolean {
  if (!URL.canParse(origin)) return false;
  const { host: originHost, origin: whole } = new URL(origin);
  return originHost === host.toLowerCase() || whole === own?.origin;
}

function hostnameOf(host: string): string | undefined {
  if (!/^[a-z0-9.:[\]_-]+$/i.test(host) || !URL.canParse(`http://${host}/`)) return undefined;
  return new URL(`http://${host}/`).hostname;
}

/** Whether a host name or address (RFC 6761 section 6.3, RFC 1122 section 3.2.1.3) can only mean this machine. */
export function isLoopback(name: string): boolean {
  return (
    name === "localhost" ||
    name.endsWith(".localhost") ||
    /^127(?:\.\d{1,3}){3}$/.test(name) ||
    name === "[::1]" ||
    name === "::1"
  );
}
