/**
 * What stands between a hub and its database until somebody sets it right: a certificate that is not trusted, a server that
 * wants to be spoken to encrypted, a pooler that takes away what a session is to keep.
 */
import { readFileSync } from "node:fs";

import { Fault, errnoOf, reasonOf } from "#src/protocol/fault.ts";
import { sqlstateOf } from "./sqlstate.ts";

export type Refusal = { readonly why: string; readonly hint: string };

/** SQLSTATE: a prepared statement is there already, or is not there: the session is another connection's, too. */
const mixedUp = /^(?:42P05|26000)$/;
const unknownAuthority = /^(?:DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_|UNABLE_TO_|CERT_SIGNATURE_|CERT_UNTRUSTED)/;

/** What a pooler before the database does that a hub can't work with; undefined: it is not that. */
export function poolerRefusal(error: unknown): Refusal | undefined {
  const state = sqlstateOf(error) ?? "";
  if (mixedUp.test(state)) {
    return {
      why: `a pooler gives its sessions to several connections at once: ${reasonOf(error)}`,
      hint: "Set pool_mode = session in pgbouncer.ini, or add prepare=false behind the question mark of databaseUrl",
    };
  }
  // poolers say everything with this one
  if (state !== "08P01") return undefined;
  const said = reasonOf(error);
  if (/authentication failed|no such (?:user|database)/.test(said)) {
    return { why: said, hint: "Check user and password in databaseUrl, and who and what the pooler lets in" };
  }
  if (said.includes("statement pooling")) {
    return { why: `a pooler lets no transactions through: ${said}`, hint: "Set pool_mode = session in pgbouncer.ini" };
  }
  if (!said.includes("startup parameter")) return undefined;
  return {
    why: `a pooler does not take what a session is to be set to: ${said}`,
    hint: "Set ignore_startup_parameters = statement_timeout, idle_in_transaction_session_timeout in pgbouncer.ini",
  };
}

/** What of the server's certificate, or of encryption, keeps a hub away; undefined: it is not that. */
export function encryptionRefusal(error: unknown, host: string): Refusal | undefined {
  const code = errnoOf(error) ?? "";
  const why = reasonOf(error);
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return {
      why: `its certificate is not for ${host}: ${why}`,
      hint: "Use the name in databaseUrl that it was made for, or have one made for this; sslmode=verify-ca does not look at the name",
    };
  }
  if (unknownAuthority.test(code)) {
    return {
      why: `its certificate is from an authority that is not trusted here: ${why}`,
      hint: "Name the PEM file of the one that signed it in databaseUrl: sslrootcert=/etc/orion/postgres-ca.pem",
    };
  }
  if (code.startsWith("CERT_")) {
    return {
      why: `its certificate is not good: ${why}`,
      hint: "Renew it on the database's server, and check both clocks",
    };
  }
  if (/TLS|SSL|CHANNEL_BINDING/.test(code)) return { why, hint: "Check sslmode and sslrootcert in databaseUrl" };
  if (sqlstateOf(error) !== "28000" || !/no encryption|SSL off/.test(why)) return undefined;
  return { why, hint: "It may take encrypted connections only: add ?sslmode=verify-full to databaseUrl" };
}

/** @throws {Fault} `invalid`: the URL names an authority's file which is not there, or holds no certificate */
export function checkAuthority(url: string): void {
  const path = new URL(url).searchParams.get("sslrootcert");
  if (path === null || path === "") return;
  const hint = "Give it the path of a PEM file that the hub's user may read";
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new Fault("invalid", `can't read sslrootcert of databaseUrl: ${reasonOf(error)}`, { hint, cause: error });
  }
  if (text.includes("-----BEGIN CERTIFICATE-----")) return;
  throw new Fault("invalid", `sslrootcert of databaseUrl holds no certificate: ${path}`, { hint });
}
