import { readFileSync } from "node:fs";
import { rootCertificates } from "node:tls";

import { describe, expect, test } from "bun:test";

import { authorityOf } from "#src/hub/ssh/deploy/authority.ts";
import { temporaryFolder } from "#test/kit/folder.ts";

/** Certificates of a test's own, made by openssl. */
async function make(at: string): Promise<{ readonly self: string; readonly leaf: string; readonly ca: string }> {
  const script = `cd "$0" && exec 2>/dev/null
    key="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    openssl req -x509 $key -keyout s.key -out self.pem -days 9 -subj /CN=hub.test -addext subjectAltName=DNS:hub.test,IP:192.0.2.7
    openssl req -x509 $key -keyout c.key -out ca.pem -days 9 -subj "/O=Our own/CN=Our CA"
    openssl req $key -keyout l.key -out l.csr -subj /CN=hub.test
    echo subjectAltName=DNS:hub.test >l.ext
    openssl x509 -req -in l.csr -CA ca.pem -CAkey c.key -CAcreateserial -days 9 -extfile l.ext -out leaf.pem`;
  const made = Bun.spawnSync(["sh", "-c", script, at]);
  if (made.exitCode !== 0) throw new Error("openssl made no certificates");
  const read = (name: string) => readFileSync(`${at}/${name}.pem`, "utf8");
  return { self: read("self"), leaf: read("leaf"), ca: read("ca") };
}

describe.skipIf(Bun.which("openssl") === null)("the authority that a host must know", () => {
  test("is the hub's own certificate, or what signed it, when nobody else knows that", async () => {
    await using folder = temporaryFolder();
    const { self, leaf, ca } = await make(folder.path);
    const rows: readonly (readonly [chain: string | null, url: string, kind: string, pem: string | undefined])[] = [
      [self, "https://hub.test", "own", self],
      [self, "https://192.0.2.7:8443", "own", self],
      [leaf + ca, "https://hub.test", "own", ca],
      [ca + leaf, "https://our.own", "known", undefined],
      [leaf, "https://hub.test", "absent", undefined],
      // a proxy's, or none
      [self, "https://elsewhere.test", "known", undefined],
      [self, "http://hub.test", "known", undefined],
      [null, "https://hub.test", "known", undefined],
    ];
    for (const [chain, url, kind, pem] of rows) {
      const found = authorityOf(chain, url);
      expect([url, found.kind, found.kind === "own" ? found.pem.trim() : undefined]).toEqual([url, kind, pem?.trim()]);
    }
    expect(authorityOf(leaf, "https://hub.test")).toEqual({ kind: "absent", name: "O=Our own, CN=Our CA" });
  });

  test("is nobody where it is one that agents know by themselves", () => {
    const [root = ""] = rootCertificates;
    expect(authorityOf(root, "https://hub.test").kind).toBe("known");
  });
});
