/**
 * Guards against a hostile page in the reader's browser, while the hub has no sign-in. DNS rebinding makes such a page
 * reach us under its own name: only names of this machine are answered. Cross-site requests that change something
 * carry `Origin` and `Sec-Fetch-Site` (fetch.spec.whatwg.org, w3c.github.io/webappsec-fetch-metadata), which the page
 * can't forge.
 */
import { HttpFault } from "./problem.ts";

/** Names whose verdict is remembered. */
const maxKnownNames = 100;

export type Guard = (request: Request) => void;

const harmless: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** A guard that answers to names of this machine and to `publicUrl`. It throws HttpFault 403. */
export function createGuard(publicUrl: string | null): Guard {
  const publicHost = publicUrl === null ? null : new URL(publicUrl).hostname;

  // agents send the same few names thousands of times
  const known = new Map<string, boolean>();

  function isOurs(host: string): boolean {
    const verdict = known.get(host);
    if (verdict !== undefined) return verdict;
    const name = hostnameOf(host);
    const ours = name !== undefined && (name === publicHost || isLoopback(name));
    if (known.size >= maxKnownNames) known.clear();
    known.set(host, ours);
    return ours;
  }

  return (request) => {
    const host = request.headers.get("host") ?? "";
    if (!isOurs(host)) {
      throw new HttpFault(
        403,
        `this hub does not answer to the name "${host.slice(0, 100)}"; set publicUrl if it should`,
      );
    }
    if (harmless.has(request.method)) return;
    const site = request.headers.get("sec-fetch-site");
    const origin = request.headers.get("origin");
    const foreign = origin !== null && !isSame(origin, host, publicUrl);
    if (foreign || (site !== null && site !== "same-origin" && site !== "none")) {
      throw new HttpFault(403, "a page of another site may not change anything here");
    }
  };
}

function isSame(origin: string, host: string, publicUrl: string | null): boolean {
  if (!URL.canParse(origin)) return false;
  const { host: originHost, origin: whole } = new URL(origin);
  return originHost === host.toLowerCase() || (publicUrl !== null && whole === new URL(publicUrl).origin);
}

function hostnameOf(host: string): string | undefined {
  if (!/^[a-z0-9.:[\]-]+$/i.test(host) || !URL.canParse(`http://${host}/`)) return undefined;
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
