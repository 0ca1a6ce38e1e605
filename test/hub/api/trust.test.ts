import { describe, expect, test } from "bun:test";

import { type TrustProxy, createReadClient, isBlock } from "#src/hub/api/trust.ts";

const proxy = "10.0.0.1";
type Row = readonly [
  name: string,
  trust: TrustProxy,
  peer: string | null,
  headers: Record<string, string>,
  address: string | null,
  https: boolean,
];

const rows: readonly Row[] = [
  [
    "nobody is trusted",
    0,
    "203.0.113.9",
    { "x-forwarded-for": "1.1.1.1", "x-forwarded-proto": "https" },
    "203.0.113.9",
    false,
  ],
  ["no address is trusted", [], "203.0.113.9", { "x-forwarded-for": "1.1.1.1" }, "203.0.113.9", false],
  ["one proxy", 1, proxy, { "x-forwarded-for": "198.51.100.7", "x-forwarded-proto": "https" }, "198.51.100.7", true],
  [
    "one proxy, and a client that made up another",
    1,
    proxy,
    { "x-forwarded-for": "1.1.1.1, 198.51.100.7" },
    "198.51.100.7",
    false,
  ],
  ["two proxies", 2, proxy, { "x-forwarded-for": "1.1.1.1, 198.51.100.7, 10.0.0.2" }, "198.51.100.7", false],
  ["more proxies than there were", 5, proxy, { "x-forwarded-for": "198.51.100.7, 10.0.0.2" }, "198.51.100.7", false],
  ["a proxy that says nothing", 1, proxy, {}, proxy, false],
  ["a proxy that tells the protocol only", 1, proxy, { "x-forwarded-proto": "https" }, proxy, true],
  [
    "plain http before the proxy",
    1,
    proxy,
    { "x-forwarded-for": "198.51.100.7", "x-forwarded-proto": "http" },
    "198.51.100.7",
    false,
  ],
  ["a listed proxy", ["10.0.0.0/8"], proxy, { "x-forwarded-for": "198.51.100.7" }, "198.51.100.7", false],
  [
    "several listed proxies",
    ["10.0.0.0/8", "192.0.2.5"],
    proxy,
    { "x-forwarded-for": "1.1.1.1, 198.51.100.7, 192.0.2.5, 10.9.9.9" },
    "198.51.100.7",
    false,
  ],
  [
    "a peer that is not listed",
    ["10.0.0.0/8"],
    "203.0.113.9",
    { "x-forwarded-for": "1.1.1.1", "x-forwarded-proto": "https" },
    "203.0.113.9",
    false,
  ],
  [
    "a listed peer as a listener on :: sees it",
    ["10.0.0.0/8"],
    "::ffff:10.0.0.1",
    { "x-forwarded-for": "198.51.100.7" },
    "198.51.100.7",
    false,
  ],
  ["only proxies", ["10.0.0.0/8"], proxy, { "x-forwarded-for": "10.0.0.3, 10.0.0.2" }, "10.0.0.3", false],
  ["no peer at all", ["10.0.0.0/8"], null, { "x-forwarded-for": "1.1.1.1" }, null, false],
  ["an IPv6 client", 1, proxy, { "x-forwarded-for": "2001:db8::7" }, "2001:db8::7", false],
  ["addresses with ports", 1, proxy, { "x-forwarded-for": "198.51.100.7:4711" }, "198.51.100.7", false],
  ["an IPv6 address with a port", 1, proxy, { "x-forwarded-for": "[2001:db8::7]:4711" }, "2001:db8::7", false],
  ["what is no address", 1, proxy, { "x-forwarded-for": "unknown" }, proxy, false],
  ["what would be markup in a page", 1, proxy, { "x-forwarded-for": "<script>" }, proxy, false],
  ["RFC 7239", 1, proxy, { forwarded: "for=198.51.100.7;proto=https;by=10.0.0.1" }, "198.51.100.7", true],
  [
    "RFC 7239, quoted, of several",
    1,
    proxy,
    { forwarded: 'for=1.1.1.1, For="[2001:db8::7]:80";Proto=HTTPS' },
    "2001:db8::7",
    true,
  ],
  [
    "RFC 7239 wins over the older header",
    1,
    proxy,
    { forwarded: "for=198.51.100.7", "x-forwarded-for": "1.1.1.1" },
    "198.51.100.7",
    false,
  ],
  ["an obfuscated identifier", 1, proxy, { forwarded: "for=_hidden" }, proxy, false],
  [
    "a protocol for each hop",
    1,
    proxy,
    { "x-forwarded-for": "1.1.1.1, 198.51.100.7", "x-forwarded-proto": "http, https" },
    "198.51.100.7",
    true,
  ],
];

describe("where a request came from", () => {
  for (const [name, trust, peer, headers, address, https] of rows) {
    test(name, () => {
      expect(createReadClient(trust)(new Headers(headers), peer)).toEqual({ address, https });
    });
  }

  test("a chain of thousands is read in no time", () => {
    const headers = new Headers({ "x-forwarded-for": Array.from({ length: 5000 }, () => "1.1.1.1").join(", ") });
    expect(createReadClient(1)(headers, proxy).address).toBe("1.1.1.1");
  });
});

test("blocks of addresses", () => {
  for (const good of ["10.0.0.0/8", "192.0.2.1", "::1", "fd00::/8", "0.0.0.0/0", "::/0"])
    expect(isBlock(good)).toBe(true);
  for (const bad of [
    "",
    "localhost",
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0/8",
    "::/129",
    "10.0.0.0/8/8",
    "10.0.0.0/",
  ]) {
    expect(isBlock(bad)).toBe(false);
  }
});
