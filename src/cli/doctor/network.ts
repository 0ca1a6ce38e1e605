/**
 * The way to the hub, one step after the other, so that the finding names the one that breaks: name (DNS), connection
 * (TCP), certificate (TLS), answer (HTTP).
 */
import { readFileSync } from "node:fs";

import { reasonOf } from "#src/protocol/fault.ts";

import { isLoopback } from "../hub/address.ts";
import { certificateTrouble, codeOf } from "../hub/trouble.ts";
import { type Finding, fail, ok, warn } from "./finding.ts";

/** Milliseconds for one step. */
const stepWithinMs = 5000;
/** A certificate that ends sooner should have been renewed: authorities give out ones of 90 days, renewed at 30. */
const renewWithinDays = 14;
const dayMs = 86_400_000;

export type Way = {
  readonly findings: readonly Finding[];
  /** the last step reached the hub's host: asking by HTTP makes sense */
  readonly open: boolean;
};

export async function checkWay(
  endpoint: string,
  { caFile, insecureHttp }: { readonly caFile: string | undefined; readonly insecureHttp: boolean },
): Promise<Way> {
  const url = new URL(endpoint);
  const secure = url.protocol === "https:";
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const port = url.port === "" ? (secure ? 443 : 80) : Number(url.port);

  const { finding: named, addresses } = await checkName(host);
  if (addresses.length === 0) return { findings: [named], open: false };
  const { finding: reached, address } = await checkConnection(addresses, host, port);
  if (address === undefined) return { findings: [named, reached], open: false };
  if (!secure) {
    const what = `${endpoint} is not encrypted: anybody on the way reads the token`;
    const plain = isLoopback(endpoint)
      ? []
      : insecureHttp
        ? [warn("tls", what, "Use an https:// endpoint")]
        : [
            fail(
              "tls",
              `${what}, so the agent sends nothing there`,
              "Use an https:// endpoint (or insecureHttp: true)",
            ),
          ];
    return { findings: [named, reached, ...plain], open: true };
  }
  const certificate = await checkCertificate(address, port, host, caFile);
  return { findings: [named, reached, certificate], open: certificate.result !== "fail" };
}

async function checkName(host: string): Promise<{ finding: Finding; addresses: readonly string[] }> {
  try {
    const found = await within(Bun.dns.lookup(host), "no answer from the name server");
    const addresses = [...new Set(found.map(({ address }) => address))];
    return { finding: ok("dns", `${host} is ${addresses.join(", ")}`), addresses };
  } catch (error) {
    return {
      finding: fail(
        "dns",
        `the name ${host} can't be resolved: ${reasonOf(error)}`,
        "Check apiUrl for a typing error, and this host's name server (/etc/resolv.conf)",
      ),
      addresses: [],
    };
  }
}

async function checkConnection(
  addresses: readonly string[],
  host: string,
  port: number,
): Promise<{ finding: Finding; address?: string }> {
  const failures: string[] = [];
  for (const address of addresses) {
    const failure = await tryConnection(address, port);
    if (failure === undefined) {
      const others = failures.length === 0 ? "" : ` (not on ${failures.join("; ")})`;
      return { finding: ok("tcp", `${address} port ${port} answers${others}`), address };
    }
    failures.push(`${address}: ${failure}`);
  }
  return {
    finding: fail(
      "tcp",
      `no connection to ${host} port ${port}: ${failures.join("; ")}`,
      "Is the hub running there, and is the port open in the firewalls between?",
    ),
  };
}

/** Why there is no connection; undefined when there is one. */
async function tryConnection(address: string, port: number): Promise<string | undefined> {
  try {
    const socket = await within(
      Bun.connect({ hostname: address, port, socket: { data() {}, error() {}, connectError() {} } }),
      `no answer within ${stepWithinMs / 1000} s`,
    );
    socket.end();
    return undefined;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    return code === "ECONNREFUSED" ? "refused" : code === "" ? reasonOf(error) : code;
  }
}

async function checkCertificate(
  address: string,
  port: number,
  host: string,
  caFile: string | undefined,
): Promise<Finding> {
  const done = Promise.withResolvers<Handshake>();
  let ca: string | undefined;
  try {
    ca = caFile === undefined ? undefined : readFileSync(caFile, "utf8");
  } catch (error) {
    return fail(
      "tls",
      `the certificate authority ${caFile} can't be read: ${reasonOf(error)}`,
      "Correct caFile in the config file",
    );
  }
  try {
    const socket = await within(
      Bun.connect({
        hostname: address,
        port,
        tls: { serverName: host, rejectUnauthorized: false, ...(ca === undefined ? {} : { ca }) },
        socket: {
          data() {},
          handshake: (socket, _success, error) =>
            done.resolve(error === null ? { validTo: validTo(socket) } : { failure: error }),
          error: (_socket, error) => done.resolve({ failure: error }),
          close: () => done.resolve({ failure: new Error("the connection was closed: does this port speak TLS?") }),
          connectError() {},
        },
      }),
      "no answer to the handshake",
    );
    const shaken = await within(done.promise, "no answer to the handshake: does this port speak TLS?");
    socket.end();
    return "failure" in shaken ? refused(host, shaken.failure) : checkEnd(host, shaken.validTo);
  } catch (error) {
    return fail(
      "tls",
      `no encrypted connection to ${host} port ${port}: ${reasonOf(error)}`,
      "Does the hub speak TLS on this port? If not, use http:// (loopback only)",
    );
  }
}

/** How a handshake ended; `validTo` in milliseconds since the epoch. */
type Handshake = { readonly failure: unknown } | { readonly validTo: number | undefined };

function validTo(socket: Bun.Socket): number | undefined {
  const certificate = socket.getPeerCertificate();
  const ends = "valid_to" in certificate ? Date.parse(certificate.valid_to) : Number.NaN;
  return Number.isNaN(ends) ? undefined : ends;
}

function refused(host: string, failure: unknown): Finding {
  const trouble = certificateTrouble(codeOf(failure));
  const why = trouble === undefined ? reasonOf(failure) : trouble.why.replace(/^its certificate/, "it");
  const todo = trouble?.todo ?? "Use a valid certificate on the hub, or name its authority in caFile";
  return fail("tls", `the certificate of ${host} is not accepted: ${why}`, todo);
}

function checkEnd(host: string, ends: number | undefined): Finding {
  const days = ends === undefined ? Number.POSITIVE_INFINITY : Math.floor((ends - Date.now()) / dayMs);
  if (days >= renewWithinDays) return ok("tls", `the certificate for ${host} is valid`);
  return warn("tls", `the certificate for ${host} ends in ${days} days`, "Renew the certificate on the hub");
}

/** Rejects when `promise` takes longer than a step may. */
export async function within<T>(promise: Promise<T>, otherwise: string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(otherwise)), stepWithinMs);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
