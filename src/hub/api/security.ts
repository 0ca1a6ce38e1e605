/** Headers that tell a browser what it must not do with our answers. */

/** OWASP Secure Headers Project; pages add their own policy, which wins. */
const always: readonly (readonly [name: string, value: string])[] = [
  ["x-content-type-options", "nosniff"],
  ["x-frame-options", "DENY"],
  ["referrer-policy", "no-referrer"],
  ["cross-origin-opener-policy", "same-origin"],
  ["cross-origin-resource-policy", "same-origin"],
  ["content-security-policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"],
  ["cache-control", "no-store"],
];

/** A year, without other names of the domain: those are not ours to promise for. */
const strictTransport = "max-age=31536000";

/** What the pages may do: load what lies beside them, talk to their own hub, nothing else. */
export const pagePolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; font-src 'self'; " +
  "base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/** What the pages never ask for. */
export const permissionsPolicy =
  "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), microphone=(), midi=(), payment=(), usb=()";

/** Adds what is missing. `https`: it travels over TLS, to us or to the proxy before us. */
export function endToEnd(headers: Headers, https: boolean): void {
  for (const [name, value] of always) if (!headers.has(name)) headers.set(name, value);
  if (https) headers.set("strict-transport-security", strictTransport);
}
