/** Certificates of a certificate authority of the test's own, made by openssl(1). */
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export type Authority = {
  /** PEM file of the authority's certificate */
  readonly ca: string;
  /** Makes `cert` and `key` (PEM files) of a server called `name`, in one step each. */
  issue(name: string, files: { readonly cert: string; readonly key: string }, days?: number): void;
};

function openssl(...args: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(["openssl", ...args], { stderr: "pipe" });
  if (exitCode !== 0) throw new Error(`openssl ${args.join(" ")}: ${stderr.toString()}`);
}

const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/** An authority with its files in `folder`. */
export function createAuthority(folder: string): Authority {
  const ca = join(folder, "ca.crt");
  const caKey = join(folder, "ca.key");
  openssl("req", "-x509", ...curve, "-keyout", caKey, "-out", ca, "-days", "30", "-subj", "/CN=Test authority");
  let serial = 0;
  return {
    ca,
    issue(name, files, days = 30) {
      const at = (suffix: string) => join(folder, `issue-${++serial}.${suffix}`);
      const [request, key, cert, extensions] = [at("csr"), at("key"), at("crt"), at("ext")];
      openssl("req", ...curve, "-keyout", key, "-out", request, "-subj", `/CN=${name}`);
      writeFileSync(extensions, "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
      const signed = ["-CA", ca, "-CAkey", caKey, "-CAcreateserial", "-days", String(days), "-extfile", extensions];
      openssl("x509", "-req", "-in", request, ...signed, "-out", cert);
      renameSync(cert, files.cert);
      renameSync(key, files.key);
    },
  };
}
