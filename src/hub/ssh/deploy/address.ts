/** Where a new agent is told to report to. */
import { Fault } from "#src/protocol/fault.ts";
import type { AgentConfig } from "./host-agent.ts";

export type HubAddress = {
  readonly url: string;
  /** nobody has said it: it is an address of this machine, which others may not be able to use */
  readonly guessed: boolean;
};

export type AgentAddress = { readonly url: string; readonly insecureHttp: boolean };

/** What a host says of its hub is shown to people, in a command to be copied among other things. */
const harmless = /^https?:\/\/[\w.:[\]/~%-]{1,500}$/;

const isLoopback = (url: string): boolean => /^https?:\/\/(?:localhost|127\.[0-9.]+|\[::1\])(?::|\/|$)/.test(url);

/**
 * The address that was asked for, else the one that the hub is published under, else the one that the agent has now.
 * @throws {Fault} `invalid`: only an address is known that means the host itself there
 */
export function addressFor(
  wanted: string | undefined,
  hub: HubAddress,
  config: AgentConfig,
  inContainer: ReadonlyMap<string, string>,
): AgentAddress {
  const { apiUrl, insecureHttp } = config;
  const said = inContainer.get("ENDPOINT") ?? (typeof apiUrl === "string" ? apiUrl : undefined);
  const now = said !== undefined && harmless.test(said) && URL.canParse(said) ? said : undefined;
  const unsure = hub.guessed || isLoopback(hub.url);
  const url = (wanted ?? (unsure ? now : undefined) ?? hub.url).replace(/\/+$/, "");
  if (wanted === undefined && now === undefined && isLoopback(url)) {
    throw new Fault("invalid", `the hub is known as ${url} only, which on the host is the host itself`, {
      hint: "Set publicUrl to the address that hosts reach this hub by, or give apiUrl",
    });
  }
  // whoever runs a hub without TLS has said so; its agents must not refuse to speak to it
  const plain = url.startsWith("http:") && !isLoopback(url);
  return { url, insecureHttp: plain || insecureHttp === true };
}
