/** Whom the agent takes for the hub: the certificate authority of `caFile`, and what is wrong with a certificate. */
import { readFileSync } from "node:fs";

import { fileStamp } from "#src/lib/owned-file.ts";
import { reasonOf } from "#src/protocol/fault.ts";

/** The authority to trust, or why there is none. */
export type Trust =
  | { readonly ok: true; readonly tls: { readonly ca: string } | undefined }
  | { readonly ok: false; readonly reason: string };

/**
 * Gives the authority of a PEM file, which is read again when it has changed (one stat(2) when not); without a file
 * those that the system trusts. An authority replaces those of the system: it is the only one that may vouch for the hub.
 */
export function createTrust(): (caFile: string | undefined) => Trust {
  let read: { readonly path: string; readonly stamp: string; readonly trust: Trust } | undefined;
  return (path) => {
    if (path === undefined) return { ok: true, tls: undefined };
    const stamp = fileStamp(path);
    if (read?.path !== path || read.stamp !== stamp) read = { path, stamp, trust: readAuthority(path) };
    return read.trust;
  };
}

function readAuthority(path: string): Trust {
  try {
    const ca = readFileSync(path, "utf8");
    if (ca.includes("-----BEGIN CERTIFICATE-----")) return { ok: true, tls: { ca } };
    return { ok: false, reason: `caFile ${path} holds no certificate: it must be a PEM file` };
  } catch (error) {
    return { ok: false, reason: `caFile ${path} can't be read: ${reasonOf(error)}` };
  }
}

/** See X509_verify_cert_error_string(3); the names are those of its codes without `X509_V_ERR_`. */
const verdicts: Readonly<Record<string, (host: string, caFile: string | undefined) => string>> = {
  CERT_HAS_EXPIRED: (host) => `the certificate of ${host} has expired: renew it on the hub (or set this host's clock)`,
  CERT_NOT_YET_VALID: (host) => `the certificate of ${host} is not valid yet: is this host's clock right?`,
  ERR_TLS_CERT_ALTNAME_INVALID: (host) =>
    `the certificate is not for ${host}: use the name in apiUrl that it was made for, or have one made for ${host}`,
  DEPTH_ZERO_SELF_SIGNED_CERT: unknownAuthority,
  SELF_SIGNED_CERT_IN_CHAIN: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownAuthority,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownAuthority,
  CERT_SIGNATURE_FAILURE: unknownAuthority,
  CERT_REVOKED: (host) => `the certificate of ${host} was revoked: have a new one made`,
  EPROTO: (host) => `no TLS handshake with ${host}: does the hub speak TLS on this port?`,
};

function unknownAuthority(host: string, caFile: string | undefined): string {
  if (caFile === undefined) {
    return `the certificate of ${host} is from an authority that this host does not know: name its PEM file in caFile`;
  }
  return `the certificate of ${host} is not from the authority in ${caFile}: put the one that signed it there`;
}

/** What is wrong with the way to `url`, in words, when it is the encryption; undefined otherwise. */
export function explainTls(error: unknown, url: string, caFile: string | undefined): string | undefined {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return undefined;
  return verdicts[error.code]?.(new URL(url).host, caFile);
}
