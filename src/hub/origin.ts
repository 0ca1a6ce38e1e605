/** The address that links to this hub are made with: setup, invitations, devices, and the way back from a provider. */
import { hostname, networkInterfaces } from "node:os";

/** Where other machines can't go to: "any address of this host" (RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.2). */
const anywhere: ReadonlySet<string> = new Set(["0.0.0.0", "0", "::", "[::]", "0:0:0:0:0:0:0:0", "*"]);
/** Good on one wire only (RFC 3927, RFC 4291 section 2.5.6). */
const linkLocal = /^(?:169\.254\.|fe[89ab][0-9a-f]:)/i;

export type Origin = {
  /** without a slash at its end */
  readonly origin: string;
  /** the address was found, not told, so it may not be how people reach the hub */
  readonly guessed: boolean;
};

/** What this host knows of itself. */
export type Host = {
  readonly name: string;
  /** that are not loopback, in the system's order */
  readonly addresses: readonly string[];
};

/** `listening` is the URL that the hub listens on, `host` the setting that it comes from. */
export function originOf(
  { publicUrl, host }: { readonly publicUrl: string | null; readonly host: string },
  listening: string,
  readHost: () => Host = thisHost,
): Origin {
  if (publicUrl !== null) return { origin: publicUrl.replace(/\/+$/, ""), guessed: false };
  if (!anywhere.has(host)) return { origin: listening, guessed: false };
  const { protocol, port } = new URL(listening);
  return { origin: `${protocol}//${nameOf(readHost())}${port === "" ? "" : `:${port}`}`, guessed: true };
}

/** A name that others know, else an address that they reach, else whatever there is. */
function nameOf({ name, addresses }: Host): string {
  const plain = name.toLowerCase();
  const local = plain.endsWith(".localdomain") || plain.endsWith(".localhost") || plain.endsWith(".local");
  if (/^[a-z0-9-]+(?:\.[a-z0-9-]+)+$/.test(plain) && !/^[\d.]+$/.test(plain) && !local) return plain;
  const reachable = addresses.filter((address) => !linkLocal.test(address));
  const address = reachable.find((one) => !one.includes(":")) ?? reachable[0];
  if (address !== undefined) return address.includes(":") ? `[${address}]` : address;
  return /^[a-z0-9.-]+$/.test(plain) ? plain : "localhost";
}

function thisHost(): Host {
  const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  return { name: hostname(), addresses: addresses.filter(({ internal }) => !internal).map(({ address }) => address) };
}
