/** The hub's address as people type it, and how it may be reached. */
import { CliFault, exitCodes, usageFault } from "../exit.ts";

/** Where a hub is and how its certificate is checked. */
export type HubAddress = {
  /** without a slash at its end */
  readonly url: string;
  /** PEM file of a certificate authority of one's own, absolute */
  readonly caFile?: string;
  /** plain HTTP to another machine is meant so */
  readonly insecureHttp?: boolean;
};

/**
 * Why a text is no hub's address, or the address: `hub.example.com` means https, a slash at the end does no harm.
 */
export function readAddress(text: string): { readonly url: string } | { readonly wrong: string } {
  const typed = text.trim();
  const whole = /^[a-z][a-z0-9+.-]*:\/\//i.test(typed) ? typed : `https://${typed}`;
  if (typed === "" || /\s/.test(typed) || !URL.canParse(whole)) return { wrong: "is no address" };
  const url = new URL(whole);
  if (url.protocol !== "https:" && url.protocol !== "http:") return { wrong: "is no https:// address" };
  if (url.username !== "" || url.password !== "") return { wrong: "holds a password, which belongs elsewhere" };
  if (url.search !== "" || url.hash !== "") return { wrong: "holds more than an address" };
  return { url: `${url.origin}${url.pathname}`.replace(/\/+$/, "") };
}

/** @throws {CliFault} with exit code 2, naming where it was read */
export function parseAddress(name: string, text: string): string {
  const read = readAddress(text);
  if ("url" in read) return read.url;
  throw usageFault(`${name} can't be "${text}": it ${read.wrong}`, "Write it like https://hub.example.com");
}

/** `localhost` and what lies below it (RFC 6761), 127.0.0.0/8, and ::1, as a parsed URL writes them. */
const loopback = /^(?:(?:.+\.)?localhost|127(?:\.\d{1,3}){3}|\[::1\]|\[::ffff:7f[0-9a-f]{2}:[0-9a-f]{1,4}\])$/;

/** Whether a URL leads to this machine. */
export const isLoopback = (url: string): boolean => loopback.test(new URL(url).hostname);

/** What is sent without TLS to another machine is read by everybody on the way: a token is not sent like that unasked. */
export function isExposed({ url, insecureHttp }: HubAddress): boolean {
  return new URL(url).protocol === "http:" && !isLoopback(url) && insecureHttp !== true;
}

/** @throws {CliFault} when a token would travel in the open */
export function refuseExposed(address: HubAddress): void {
  if (!isExposed(address)) return;
  throw new CliFault(
    exitCodes.failed,
    "denied",
    `${address.url} is not encrypted: anybody on the way would read the token`,
    "Use its https:// address, or say that it is meant with --insecure-http (or ORION_INSECURE_HTTP=true)",
  );
}
