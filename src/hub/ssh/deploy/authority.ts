/** Whom a new agent must trust to take the hub for the hub, when its certificate is of an authority of one's own. */
import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { rootCertificates } from "node:tls";

/** Where it goes on the host; `caFile` of the config names it. */
export const authorityPath = "/etc/orion/hub-ca.pem";

/**
 * `known`: agents trust it by themselves, or the hub at this address shows a certificate that is not the hub's own (of a
 * proxy), of which nothing can be told. `own`: its PEM must be on the host. `absent`: it is of an authority that is neither
 * known nor in the hub's file.
 */
export type Authority =
  | { readonly kind: "known" }
  | { readonly kind: "own"; readonly pem: string; readonly name: string }
  | { readonly kind: "absent"; readonly name: string };

const known: Authority = { kind: "known" };

/** @param chain the hub's certificate and those behind it, PEM; null: it speaks no TLS itself. @param url the hub's address */
export function authorityOf(chain: string | null, url: string): Authority {
  const all = (chain?.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map(
    (pem) => new X509Certificate(pem),
  );
  const [own] = all;
  const { protocol, hostname } = new URL(url);
  if (own === undefined || protocol !== "https:" || !isFor(own, hostname)) return known;
  // up from the hub's own, whatever order the rest is in
  let top = own;
  for (let steps = 0; steps < all.length && !isRoot(top); steps++) {
    const issuer = all.find((one) => one !== top && top.checkIssued(one));
    if (issuer === undefined) break;
    top = issuer;
  }
  const roots = rootCertificates.map((pem) => new X509Certificate(pem));
  if (roots.some((root) => top.checkIssued(root) || root.fingerprint256 === top.fingerprint256)) return known;
  const name = (isRoot(top) ? top.subject : top.issuer).replaceAll("\n", ", ");
  return isRoot(top) ? { kind: "own", pem: top.toString(), name } : { kind: "absent", name };
}

const isRoot = (certificate: X509Certificate): boolean =>
  certificate.subject === certificate.issuer && certificate.checkIssued(certificate);

function isFor(certificate: X509Certificate, hostname: string): boolean {
  const name = hostname.replace(/^\[|\]$/g, "");
  return (isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)) !== undefined;
}
