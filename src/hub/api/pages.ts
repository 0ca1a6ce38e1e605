/**
 * The dashboard's files, from memory, with the headers that Bun's own HTML routes can't carry. A compiled binary holds
 * them bundled; from source they are bundled when they are first asked for.
 */
import { basename } from "node:path";
import { promisify } from "node:util";
import { constants, gzip, zstdCompress } from "node:zlib";

import { isKnown } from "./etag.ts";
import { HttpFault } from "./problem.ts";
import { pagePolicy, permissionsPolicy } from "./security.ts";

/** Where the pages live; each is the same document, whose script shows what the path says. */
export const pagePaths = [
  "/",
  "/login",
  "/setup",
  "/invite/:token",
  "/device",
  "/account",
  "/organization",
  "/projects",
  "/projects/:id",
  "/servers/:id",
  "/logs",
  "/errors",
  "/errors/:fingerprint",
  "/events",
  "/audit",
  "/api/docs",
] as const;

/** What `import page from "./index.html"` gives: in a compiled binary `files` are its parts. */
export type PageBundle = {
  readonly index: string;
  readonly files?: readonly { readonly path: string; readonly loader: string }[];
};

export type Pages = {
  /** The document for a page's path, or the file that it refers to. Rejects with HttpFault 404. */
  answer(request: Request, path: string): Promise<Response>;
  /** The document, for a person who went to an address that no page has: it says so, in the hub's own look. */
  lost(request: Request): Promise<Response>;
};

type Coding = "zstd" | "gzip" | "identity";
type File = {
  readonly type: string;
  readonly tag: string;
  readonly bodies: Readonly<Record<Coding, Uint8Array<ArrayBuffer>>>;
};
type Site = { readonly document: File; readonly files: ReadonlyMap<string, File> };

/** Files whose name holds the hash of their content. */
const immutable = "public, max-age=31536000, immutable";

export function createPages(bundle: PageBundle): Pages {
  let site: Promise<Site> | undefined;
  async function open(): Promise<Site> {
    try {
      return await (site ??= load(bundle));
    } catch (error) {
      // from source the next one may find them mended
      site = undefined;
      throw error;
    }
  }
  return {
    async lost(request) {
      const { document } = await open();
      const shown = deliver(request, document, true);
      return new Response(shown.body, { status: 404, headers: shown.headers });
    },
    async answer(request, path) {
      const loaded = await open();
      const file = loaded.files.get(path);
      if (file === undefined && path.includes("."))
        throw new HttpFault(404, `there is nothing at ${path.slice(0, 200)}`);
      return file === undefined ? deliver(request, loaded.document, true) : deliver(request, file, false);
    },
  };
}

function deliver(request: Request, { type, tag, bodies }: File, document: boolean): Response {
  const coding = codingFor(request.headers.get("accept-encoding") ?? "");
  const headers = new Headers({
    "content-type": type,
    etag: tag,
    vary: "accept-encoding",
    "cache-control": document ? "no-cache" : immutable,
  });
  if (document) {
    headers.set("content-security-policy", pagePolicy);
    headers.set("permissions-policy", permissionsPolicy);
  }
  if (isKnown(request, tag)) return new Response(null, { status: 304, headers });
  if (coding !== "identity") headers.set("content-encoding", coding);
  return new Response(bodies[coding], { headers });
}

/** The best coding that is accepted (RFC 9110 section 12.5.3); a weight of zero is a no. */
function codingFor(accepted: string): Coding {
  const takes = (name: string) =>
    new RegExp(`(?:^|,)\\s*${name}\\s*(?:;\\s*q=(?!0(?:\\.0*)?\\s*(?:,|$))|,|$)`, "i").test(accepted);
  if (takes("zstd")) return "zstd";
  return takes("gzip") ? "gzip" : "identity";
}

async function load(bundle: PageBundle): Promise<Site> {
  const parts = bundle.files === undefined ? await bundled(bundle.index) : bundle.files.map(embedded);
  let document: File | undefined;
  const files = new Map<string, File>();
  for (const { name, blob, html } of parts) {
    const file = await prepare(new Uint8Array(await blob.arrayBuffer()), blob.type);
    if (html) document = file;
    else files.set(`/${name}`, file);
  }
  if (document === undefined) throw new Error("the dashboard has no document");
  return { document, files };
}

type Part = { readonly name: string; readonly blob: Blob; readonly html: boolean };

function embedded({ path, loader }: { readonly path: string; readonly loader: string }): Part {
  return { name: basename(path), blob: Bun.file(path), html: loader === "html" };
}

async function bundled(index: string): Promise<readonly Part[]> {
  const result = await Bun.build({
    entrypoints: [index],
    minify: true,
    publicPath: "/",
    define: { "process.env.NODE_ENV": '"production"' },
  });
  return result.outputs.map((part) => ({
    name: basename(part.path),
    blob: part,
    html: part.type.startsWith("text/html"),
  }));
}

/** Once for all who come: 0.2 s on another thread, for a tenth less to load than zstd's usual level (measured). */
const zstdOptions = { params: { [constants.ZSTD_c_compressionLevel]: 19 } };
const packGzip = promisify(gzip);
const packZstd = promisify(zstdCompress);

async function prepare(plain: Uint8Array<ArrayBuffer>, type: string): Promise<File> {
  const [gzipped, zstd] = await Promise.all([packGzip(plain, { level: 9 }), packZstd(plain, zstdOptions)]);
  return {
    type,
    tag: `W/"${new Bun.CryptoHasher("sha256").update(plain).digest("base64url").slice(0, 22)}"`,
    bodies: { identity: plain, gzip: owned(gzipped), zstd: owned(zstd) },
  };
}

/** Buffers may be slices of a shared pool; an answer's body must not be. */
const owned = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(bytes);
