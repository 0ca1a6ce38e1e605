import { gunzipSync } from "node:zlib";

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import { orionBinary } from "#test/kit/binary.ts";
import { type TestHub, startHub } from "#test/hub/kit/hub.ts";
import { type Client, createClient } from "#test/hub/kit/people.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { startProgram } from "#test/kit/program.ts";
import { until } from "#test/kit/wait.ts";

// the binary may have to be built first
setDefaultTimeout(240_000);

const paths = [
  "/",
  "/login",
  "/setup",
  "/invite/some-token",
  "/device",
  "/account",
  "/organization",
  "/projects",
  "/projects/some-id",
  "/servers/some-id",
  "/audit",
  "/api/docs",
];

/** Files that a document refers to. */
const filesOf = (html: string) =>
  [...html.matchAll(/(?:src|href)="(\/[^"]+\.(?:js|css))"/g)].map(([, path]) => path ?? "");

/** What holds for the pages wherever they come from. */
async function examine(hub: Client): Promise<void> {
  const documents = new Set<string>();
  for (const path of paths) {
    const response = await hub.get(path);
    expect([path, response.status, response.headers.get("content-type")]).toEqual([
      path,
      200,
      "text/html;charset=utf-8",
    ]);
    expect(response.headers.get("content-security-policy")).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
        "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    );
    expect(response.headers.get("permissions-policy")).toContain("camera=()");
    expect(response.headers.get("cache-control")).toBe("no-cache");
    documents.add(await response.text());
  }
  // one document for all
  expect(documents.size).toBe(1);
  const [html = ""] = documents;
  expect(html).not.toMatch(/<script(?![^>]*\ssrc=)|\son\w+=|<style|\sstyle=/);
  const files = filesOf(html);
  expect(files.map((path) => path.split(".").at(-1) ?? "").sort()).toEqual(["css", "js"]);
  for (const path of files) {
    const plain = await hub.get(path, { "accept-encoding": "identity" });
    expect([plain.status, plain.headers.get("cache-control"), plain.headers.get("content-encoding")]).toEqual([
      200,
      "public, max-age=31536000, immutable",
      null,
    ]);
    expect(plain.headers.get("x-content-type-options")).toBe("nosniff");
    const text = await plain.text();
    const tag = plain.headers.get("etag") ?? "";
    for (const coding of ["zstd", "gzip"]) {
      const packed = await hub.fetch(path, { headers: { "accept-encoding": coding }, decompress: false });
      expect(packed.headers.get("content-encoding")).toBe(coding);
      const bytes = await packed.bytes();
      expect(bytes.length).toBeLessThan(text.length);
      const unpacked = coding === "zstd" ? Bun.zstdDecompressSync(bytes) : gunzipSync(bytes);
      expect(Buffer.from(unpacked).toString()).toBe(text);
    }
    expect((await hub.get(path, { "if-none-match": tag })).status).toBe(304);
  }
}

describe("the pages", () => {
  let hub: TestHub;
  beforeAll(async () => {
    hub = await startHub({ untouched: true });
  });
  afterAll(async () => await hub[Symbol.asyncDispose]());

  test("come with their headers and from memory, from source", async () => {
    await examine(hub.nobody);
  });

  for (const [accepted, coding] of [
    ["gzip, deflate, br, zstd", "zstd"],
    ["gzip, deflate", "gzip"],
    ["zstd;q=0, gzip", "gzip"],
    ["zstd;q=0.000, gzip;q=0", null],
    ["br", null],
    ["", null],
  ] as const) {
    test(`Accept-Encoding "${accepted}" is answered ${coding === null ? "plain" : `in ${coding}`}`, async () => {
      const response = await hub.nobody.fetch("/", { headers: { "accept-encoding": accepted }, decompress: false });
      expect(response.headers.get("content-encoding")).toBe(coding);
      await response.body?.cancel();
    });
  }

  test("a document that the browser has is not sent again", async () => {
    const tag = (await hub.nobody.get("/login")).headers.get("etag") ?? "";
    const again = await hub.nobody.get("/account", { "if-none-match": tag });
    expect([again.status, again.headers.get("content-security-policy")]).toEqual([304, expect.any(String)]);
  });

  test("a person who goes astray is told so by a page, a program by a problem", async () => {
    const astray = await hub.nobody.get("/no/such/page", { accept: "text/html,application/xhtml+xml" });
    expect([astray.status, astray.headers.get("content-type")]).toEqual([404, "text/html;charset=utf-8"]);
    expect(astray.headers.get("content-security-policy")).toContain("script-src 'self'");
    for (const [path, accept] of [
      ["/no/such/page", "application/json"],
      ["/api/none", "text/html"],
      ["/chunk-none.js", "*/*"],
    ] as const) {
      const problem = await hub.nobody.get(path, { accept });
      expect([problem.status, problem.headers.get("content-type")]).toEqual([404, "application/problem+json"]);
    }
  });

  test("nothing else of the files is served", async () => {
    for (const path of ["/index.html", "/main.tsx", "/style.css", "/../hub.ts", "/%2e%2e/hub.ts", "/hub.ts.js"]) {
      expect([path, (await hub.nobody.get(path)).status]).toEqual([path, 404]);
    }
  });
});

describe("the pages in the binary", () => {
  test("come with the same headers", async () => {
    await using folder = temporaryFolder();
    await using program = startProgram([
      await orionBinary(),
      "hub",
      "--json",
      "--port",
      "0",
      "--data-dir",
      folder.path,
    ]);
    const url = await until(() => /"url":\s*"([^"]+)"/.exec(program.output())?.[1], "the hub's address");
    await examine(createClient(url));
  });
});
