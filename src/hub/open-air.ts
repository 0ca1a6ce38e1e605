/** Whether a hub may listen where it is told to. */
import { Fault } from "#src/protocol/fault.ts";
import { isLoopback } from "./api/guard.ts";
import type { HubSettings } from "./settings.ts";

/** Passwords and tokens must not travel in the open beyond this machine. Throws a Fault `denied`. */
export function refuseOpenAir({
  host,
  tlsCert,
  trustProxy,
  insecureHttp,
}: Pick<HubSettings, "host" | "tlsCert" | "trustProxy" | "insecureHttp">): void {
  const proxied = typeof trustProxy === "number" ? trustProxy > 0 : trustProxy.length > 0;
  if (isLoopback(host) || tlsCert !== null || proxied || insecureHttp) return;
  throw new Fault(
    "denied",
    `the hub can't listen on ${host} without TLS: passwords and tokens would travel in the open`,
    {
      hint:
        "Give it a certificate (--tls-cert and --tls-key), or say that a proxy with TLS stands before it (--trust-proxy), " +
        "or that the network is safe (--insecure-http)",
    },
  );
}
