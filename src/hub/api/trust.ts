/**
 * Whose word counts for where a request came from. Behind a proxy the peer is the proxy; what it says of its client
 * stands in `Forwarded` (RFC 7239) or `X-Forwarded-For` and `X-Forwarded-Proto`, which anybody else can write too.
 */
import { BlockList, isIP } from "node:net";

/**
 * How many proxies stand before the hub, or which addresses they have (an address, or `10.0.0.0/8`); 0 or none: nobody
 * is believed.
 */
export type TrustProxy = number | readonly string[];

/** Where a request really came from. */
export type Client = { readonly address: string | null; readonly https: boolean };

/** Reads a request's client; `peer` is the address at the other end of the connection. */
export type ReadClient = (headers: Headers, peer: string | null) => Client;

/** A chain longer than this is somebody's joke. */
const maxHops = 50;

/**
 * With a number of proxies, the address is the one that the outermost of them saw: the n-th from the right. With a list,
 * it is the first from the right that is no proxy's, and nothing is believed of a peer that is none.
 */
export function createReadClient(trust: TrustProxy): ReadClient {
  if (typeof trust === "number") {
    if (trust === 0) return (_headers, peer) => ({ address: peer, https: false });
    return (headers, peer) => {
      const hops = readHops(headers);
      return choose(hops, hops.at(-trust) ?? hops[0], peer);
    };
  }
  const proxies = blockList(trust);
  const isProxy = (address: string | null) => address !== null && holds(proxies, address);
  return (headers, peer) => {
    if (!isProxy(peer)) return { address: peer, https: false };
    const hops = readHops(headers);
    return choose(hops, hops.findLast((hop) => !isProxy(hop.address)) ?? hops[0], peer);
  };
}

/** Whether `text` is an address or a block of addresses. */
export function isBlock(text: string): boolean {
  const [address = "", bits, ...rest] = text.split("/");
  const kind = isIP(address);
  if (kind === 0 || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (kind === 4 ? 32 : 128));
}

type Hop = { readonly address: string | null; readonly proto: string | null };

function choose(hops: readonly Hop[], chosen: Hop | undefined, peer: string | null): Client {
  if (chosen === undefined) return { address: peer, https: false };
  // a proxy that sets the protocol once sets it for the whole chain
  const proto = chosen.proto ?? hops.at(-1)?.proto ?? null;
  return { address: chosen.address ?? peer, https: proto === "https" };
}

/** From the client to the nearest proxy. */
function readHops(headers: Headers): readonly Hop[] {
  const forwarded = headers.get("forwarded");
  if (forwarded !== null) {
    return forwarded
      .split(",")
      .slice(-maxHops)
      .map((element) => {
        const pair = (name: string) =>
          new RegExp(`(?:^|;)\\s*${name}=(?:"([^"]*)"|([^;\\s]*))`, "i").exec(element)?.slice(1).find(Boolean) ?? null;
        return { address: bare(pair("for")), proto: pair("proto")?.toLowerCase() ?? null };
      });
  }
  const protos = list(headers.get("x-forwarded-proto"));
  const addresses = list(headers.get("x-forwarded-for"));
  // proxies that only tell the protocol
  if (addresses.length === 0) return protos.slice(-1).map((proto) => ({ address: null, proto: proto.toLowerCase() }));
  const offset = protos.length - addresses.length;
  return addresses.map((address, i) => ({
    address: bare(address),
    proto: (protos.length === 1 ? protos[0] : protos[i + offset])?.toLowerCase() ?? null,
  }));
}

function list(value: string | null): string[] {
  return value === null
    ? []
    : value
        .split(",")
        .map((part) => part.trim())
        .filter((part) => part !== "")
        .slice(-maxHops);
}

/** An address without port and brackets; null for what is none, such as `unknown`. */
function bare(text: string | null): string | null {
  const value = text?.trim() ?? "";
  const inner = /^\[([^\]]*)\](?::\d+)?$/.exec(value)?.[1] ?? /^([\d.]+):\d+$/.exec(value)?.[1] ?? value;
  return isIP(inner) === 0 ? null : inner;
}

function blockList(blocks: readonly string[]): BlockList {
  const blocked = new BlockList();
  for (const block of blocks) {
    const [address = "", bits] = block.split("/");
    const kind = isIP(address) === 6 ? "ipv6" : "ipv4";
    if (bits === undefined) blocked.addAddress(address, kind);
    else blocked.addSubnet(address, Number(bits), kind);
  }
  return blocked;
}

function holds(blocks: BlockList, address: string): boolean {
  // a listener on :: sees IPv4 peers as ::ffff:192.0.2.1 (RFC 4291 section 2.5.5.2)
  const plain = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
  return blocks.check(plain, isIP(plain) === 6 ? "ipv6" : "ipv4");
}
