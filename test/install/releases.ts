/** A release server as install.sh knows it: `/latest/download/<file>` and `/download/v<version>/<file>`. */

/** What to answer for a file; a function makes an answer of its own, such as one that breaks off. */
export type ReleaseFile = string | Uint8Array | Bun.BunFile | (() => Response | Promise<Response>);

export type Releases = AsyncDisposable & {
  /** for ORION_DOWNLOAD_URL */
  readonly url: string;
  /** paths that were asked for, in order */
  readonly requests: readonly string[];
  /** Adds or replaces files of a release; `SHA256SUMS` is made of them unless it is among them. */
  publish(release: string, files: Readonly<Record<string, ReleaseFile>>): Promise<void>;
};

/** The files of a release whose program is a shell script that answers `--version`, for every platform. */
export function fakeRelease(version: string, more = ""): Record<string, string> {
  const program = `#!/bin/sh\nif [ "$1" = --version ]; then echo ${version}; exit; fi\n${more}\n`;
  const platforms = ["x64", "x64-baseline", "arm64", "x64-musl", "arm64-musl"];
  return Object.fromEntries(platforms.map((platform) => [`orion-linux-${platform}`, `${program}# ${platform}\n`]));
}

/** Serves releases on a free port of `hostname`. */
export function serveReleases(hostname = "127.0.0.1"): Releases {
  const files = new Map<string, ReleaseFile>();
  const requests: string[] = [];
  const server = Bun.serve({
    hostname,
    port: 0,
    // a whole binary over a busy machine
    idleTimeout: 120,
    async fetch(request) {
      const { pathname } = new URL(request.url);
      requests.push(pathname);
      const file = files.get(pathname);
      if (file === undefined) return new Response("no such file", { status: 404 });
      return typeof file === "function" ? file() : new Response(file as BodyInit);
    },
  });
  return {
    url: `http://${hostname}:${server.port}`,
    requests,
    async publish(release, content) {
      const folder = release === "latest" ? "/latest/download" : `/download/v${release}`;
      const sums: string[] = [];
      for (const [name, file] of Object.entries(content)) {
        files.set(`${folder}/${name}`, file);
        if (typeof file !== "function") sums.push(`${await sha256(file)}  ${name}\n`);
      }
      if (!("SHA256SUMS" in content)) files.set(`${folder}/SHA256SUMS`, sums.join(""));
    },
    async [Symbol.asyncDispose]() {
      await server.stop(true);
    },
  };
}

async function sha256(file: string | Uint8Array | Bun.BunFile): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  if (file instanceof Blob) {
    for await (const chunk of file.stream()) hasher.update(chunk);
  } else {
    hasher.update(file);
  }
  return hasher.digest("hex");
}
