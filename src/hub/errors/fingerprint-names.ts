/**
 * Names of functions, modules and files without what a compiler, a proxy or a deployment has put into them: two builds
 * of the same program give the same names.
 */

import { remembering } from "./fingerprint-memory.ts";

/** What is taken out of a function's or module's name, in this order. */
const generated: readonly (readonly [pattern: RegExp, instead: string])[] = [
  // Rust: `app::main::h0123456789abcdef` (rustc's legacy symbol mangling)
  [/::h[0-9a-f]{16}$/, ""],
  // Go: `main.serve.func1.2`, generic instances `Map[...]`; `created by` in goroutine traces
  [/\.func\d+(?:\.\d+)*/g, ".func"],
  [/\[(?:\.\.\.|go\.shape\.[^\]]*)\]/g, ""],
  // JVM lambdas, proxies, accessors: `lambda$main$0`, `$$Lambda$14/0x0000000800c03000`, `$Proxy12`
  [/lambda\$([^$]*)\$\d+/g, "lambda$$$1"],
  [/\$\$Lambda(?:\$\d+)?(?:\/(?:0x)?[0-9a-f]+)?/gi, "$$$$Lambda"],
  [/\$\$(EnhancerBy\w+|FastClassBy\w+|SpringCGLIB)\$\$[0-9a-f]+/g, "$$$$$1"],
  [/\$Proxy\d+/g, "$$Proxy"],
  [/(Generated(?:Method|Constructor|Serialization\w*)Accessor)\d+/g, "$1"],
  [/\$anonfun\$([\w$]*?)\$?\d+/g, "$$anonfun$$$1"],
  // anonymous classes: `Server$1`
  [/\$\d+(?=$|[.$])/g, "$$"],
  // .NET: `<Main>b__0_1`, `<Run>d__12.MoveNext()`, `<>c__DisplayClass3_0`
  [/(<\w*>[a-z]__)[\d_]+/g, "$1"],
  [/(<>c__DisplayClass)[\d_]+/g, "$1"],
  [/`\d+/g, ""],
  // Ruby: `block (2 levels) in call`
  [/\b(?:block|rescue|ensure)(?: \(\d+ levels\))? in /g, ""],
  // PHP: `{closure:/srv/app/index.php:12}`
  [/\{closure(?::[^}]*)?\}/g, "{closure}"],
  // Elixir: `-handle/2-fun-0-`, `anonymous fn/1 in`
  [/-fun-\d+-/g, "-fun-"],
  // addresses, and hashes that a bundler or compiler has added
  [/\b0x[0-9a-f]+\b/gi, ""],
  [/[.$_-](?=[0-9a-f]*\d)[0-9a-f]{8,64}(?=$|[.$_/-])/gi, ""],
  // JavaScript: what a frame says beside its function
  [/^(?:async |new )+/, ""],
  [/ \[as [^\]]*\]/g, ""],
];

/** A name of one or two letters in a file like this is a minifier's. */
const minifiedFile = /\.min\.[cm]?js\b|[.-][0-9a-f]{6,}\.(?:chunk\.)?[cm]?js\b|\bchunk[.-]|\b_next\/static\b/i;
/** A column that no person has written. */
const farColumn = 500;

/** A name without what is generated in it; the arguments of a signature are left out, too. */
export const stableName = remembering((name) => {
  let stable = name.trim();
  for (const [pattern, instead] of generated) stable = stable.replace(pattern, instead);
  // `System.Int32 Main(System.String[] args)` and `com.acme.Main.run(Main.java)`; not `(anonymous)`
  return stable.replace(/(?<=\w)\s*\([^()]*\)$/, "").trim();
});

/** A segment of a path that differs from one deployment to the next: hashes, release numbers, dates. */
const fleeting = /^(?:v?\d[\w.-]*|[0-9a-f]{7,64}|[0-9a-f]{8}-[0-9a-f-]{27}|tmp[\w.-]*|.*\d{8,}.*)$/i;

/** The last two lasting parts of a file's path: which folder an application lies in says nothing about its errors. */
export const stableFile = remembering((file) => {
  const path = file
    .replace(/^[a-z][a-z+.-]*:\/\/[^/]*/i, "")
    .replace(/[?#].*$/, "")
    .replaceAll("\\", "/");
  const parts = path.split("/").filter((part) => part !== "" && part !== "." && part !== "..");
  const last = parts.pop() ?? "";
  const folder = parts.findLast((part) => !fleeting.test(part));
  const name = last.replace(/[.-](?=[0-9a-f]*\d)[0-9a-f]{6,64}(?=\.)/gi, "");
  return folder === undefined ? name : `${folder}/${name}`;
});

const isMinifiedFile = remembering((file) => minifiedFile.test(file));

/** Whether a frame is of minified code, whose names change with every build. */
export function isMinified(frame: {
  readonly file: string | null;
  readonly line: number | null;
  readonly column: number | null;
}): boolean {
  const { file, line, column } = frame;
  if (file !== null && isMinifiedFile(file)) return true;
  return line !== null && line <= 2 && column !== null && column > farColumn;
}
