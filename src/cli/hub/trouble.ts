/** Why a hub could not be reached, by what the runtime calls it, in words that say what to do. */
import { reasonOf } from "#src/protocol/fault.ts";

import { CliFault, exitCodes } from "../exit.ts";
import type { HubAddress } from "./address.ts";

export type Trouble = { readonly why: string; readonly todo: string };

const ownAuthority: Trouble = {
  why: "its certificate is signed by an authority that this machine does not know",
  todo: "If it is your own, name its PEM file: --ca-file FILE (in the agent's config: caFile)",
};

/** What OpenSSL finds wrong with a certificate (X509_STORE_CTX_get_error(3)). */
const certificates: Readonly<Record<string, Trouble>> = {
  CERT_HAS_EXPIRED: { why: "its certificate has expired", todo: "Renew the certificate on the hub" },
  CERT_NOT_YET_VALID: {
    why: "its certificate is not valid yet",
    todo: "Compare the clocks: date on this machine and on the hub",
  },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    why: "its certificate is for another name",
    todo: "Use the name that stands in the certificate, or give the hub a certificate for this one",
  },
  DEPTH_ZERO_SELF_SIGNED_CERT: ownAuthority,
  SELF_SIGNED_CERT_IN_CHAIN: ownAuthority,
  UNABLE_TO_GET_ISSUER_CERT: ownAuthority,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: ownAuthority,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: {
    why: "its certificate is signed by an authority that this machine does not know, or the hub leaves out one between",
    todo: "Give the hub its certificate with the whole chain; for an authority of your own: --ca-file FILE (caFile)",
  },
  CERT_SIGNATURE_FAILURE: {
    why: "its certificate is not signed by the authority that it names",
    todo: "Is the file of the authority the right one?",
  },
  CERT_REVOKED: { why: "its certificate was revoked", todo: "Give the hub a new certificate" },
};

/** What is wrong with a certificate; undefined when the code is of something else. */
export const certificateTrouble = (code: string): Trouble | undefined => certificates[code];

/** Whether a failure is that the certificate's authority is not known here. */
export const isUnknownAuthority = (error: unknown): boolean => {
  const trouble = certificates[codeOf(error)];
  return trouble !== undefined && trouble.todo.includes("--ca-file");
};

/** The runtime's name of a failure of `fetch`. */
export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

/** Exit code 5: nobody there, or nobody that can be trusted. */
export function unreachable({ url }: HubAddress, error: unknown): CliFault {
  const { why, todo } = troubleOf(url, error);
  return new CliFault(exitCodes.noHub, "unreachable", `the hub at ${url} can't be reached: ${why}`, todo, error);
}

function troubleOf(url: string, error: unknown): Trouble {
  const code = codeOf(error);
  const certificate = certificates[code];
  if (certificate !== undefined) return certificate;
  if (error instanceof Error && error.name === "TimeoutError") {
    return { why: "it did not answer in time", todo: "Is it overloaded, or does a firewall swallow the request?" };
  }
  const { hostname, port, protocol } = new URL(url);
  const where = port === "" ? (protocol === "https:" ? "443" : "80") : port;
  switch (code) {
    case "ECONNREFUSED":
      return {
        why: `nothing listens on port ${where} of ${hostname}`,
        todo: "Is it running, and is this its address?",
      };
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return {
        why: `the name ${hostname} can't be resolved`,
        todo: "Check it for a typing error, and the name server",
      };
    case "EPROTO":
      return { why: "it does not speak TLS on this port", todo: "Check the port; plain HTTP has an http:// address" };
    case "ECONNRESET":
      return { why: "it closed the connection", todo: "If it speaks TLS on this port, use its https:// address" };
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return { why: "there is no way to it through the network", todo: "Check this machine's network: ip route" };
    default:
      return { why: reasonOf(error).replace(/\s*For more information, pass .*$/s, ""), todo: "Check its address" };
  }
}
