import { describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";

import type { ErrorEvent, Frame } from "#src/hub/errors/event.ts";
import { identify } from "#src/hub/errors/fingerprint.ts";
import { createTemplates } from "#src/hub/errors/template.ts";
import { frame, message, part, traceback } from "./events.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

/** The identity that an event has among no others. */
const alone = (event: ErrorEvent, project = "p1") => identify(project, event, createTemplates().learn);
const fingerprintOf = (event: ErrorEvent, project?: string) => alone(event, project).fingerprint;
const withFrames = (...frames: readonly Frame[]) => traceback({ parts: [part("ValueError", "bad amount 12", frames)] });

describe("a fingerprint", () => {
  test("says which rules made it", () => {
    expect(fingerprintOf(traceback())).toMatch(/^v1:[a-z2-7]{20}$/);
  });

  test("is another in another project", () => {
    expect(fingerprintOf(traceback(), "p1")).not.toBe(fingerprintOf(traceback(), "p2"));
  });

  test("is the same on another server, in another source and release", () => {
    const other = traceback({ serverId: "s2", source: "worker", release: "2.0", thread: "t", atMs: 5 });
    expect(fingerprintOf(other)).toBe(fingerprintOf(traceback()));
  });

  test("is that of the innermost cause", () => {
    const cause = part("KeyError", "'id'", [frame("load")]);
    const inner = traceback({ parts: [cause] });
    const wrapped = traceback({ parts: [part("RuntimeError", "no", [frame("run")]), { ...cause, relation: "cause" }] });
    const context = traceback({ parts: [part("OSError", "no", [frame("run")]), { ...cause, relation: "context" }] });
    expect(fingerprintOf(wrapped)).toBe(fingerprintOf(inner));
    expect(fingerprintOf(context)).toBe(fingerprintOf(inner));
  });

  test("takes the functions of what the cause led to when the cause has none of the application", () => {
    const library = part("OSError", "refused", [frame("connect", { inApplication: false })]);
    const a = traceback({ parts: [part("E", "x", [frame("loadUser")]), { ...library, relation: "cause" }] });
    const b = traceback({ parts: [part("E", "x", [frame("loadCart")]), { ...library, relation: "cause" }] });
    expect(fingerprintOf(a)).not.toBe(fingerprintOf(b));
  });

  test("does not depend on functions of libraries while there is one of the application", () => {
    const a = withFrames(frame("inner", { inApplication: false }), frame("total"));
    expect(fingerprintOf(a)).toBe(fingerprintOf(withFrames(frame("total"))));
  });

  test("does not depend on how deep a recursion went", () => {
    const deep = withFrames(...Array.from({ length: 50 }, () => frame("walk")), frame("main"));
    expect(fingerprintOf(deep)).toBe(fingerprintOf(withFrames(frame("walk"), frame("main"))));
  });

  test("tells modules of one name in different folders apart", () => {
    const at = (folder: string) => withFrames(frame("total", { module: "cart", file: `/srv/app/${folder}/cart.py` }));
    expect(fingerprintOf(at("shop"))).not.toBe(fingerprintOf(at("admin")));
  });

  test("of minified code depends on the message instead of names", () => {
    const file = "/srv/app/static/main.3f2a1b9c.js";
    const at = (name: string, column: number) => frame(name, { file, line: 1, column });
    const of = (value: string, name: string, column: number) =>
      fingerprintOf(traceback({ format: "node", parts: [part("TypeError", value, [at(name, column)])] }));
    expect(of("x is not a function", "e", 12_000)).toBe(of("x is not a function", "t", 15_000));
    expect(of("x is not a function", "e", 12_000)).not.toBe(of("y.z is undefined", "e", 12_000));
  });

  const builds: readonly (readonly [name: string, one: Partial<Frame>, other: Partial<Frame>])[] = [
    ["a Rust hash", { function: "app::run::h0123456789abcdef" }, { function: "app::run::hfedcba9876543210" }],
    ["a Go closure's number", { function: "main.serve.func1" }, { function: "main.serve.func2.1" }],
    ["a Java lambda's number", { function: "lambda$run$0" }, { function: "lambda$run$12" }],
    [
      "a proxy's name",
      { module: "com.acme.Cart$$EnhancerBySpringCGLIB$$1a2b3c4d" },
      { module: "com.acme.Cart$$EnhancerBySpringCGLIB$$ffff0001" },
    ],
    ["a .NET state machine's number", { function: "<Run>d__1.MoveNext" }, { function: "<Run>d__22.MoveNext" }],
    [
      "a deployment's folder",
      { file: "/srv/releases/20260101120000/app/x.rb" },
      { file: "/srv/releases/20260202120000/app/x.rb" },
    ],
    ["a bundle's hash", { file: "dist/main-3f2a1b9c.mjs" }, { file: "dist/main-9c1b2a3f.mjs" }],
    ["where the application lies", { file: "/home/a/shop/cart.py" }, { file: "/srv/b/shop/cart.py" }],
  ];
  for (const [name, one, other] of builds) {
    test(`does not depend on ${name}`, () => {
      expect(fingerprintOf(withFrames(frame("f", one)))).toBe(fingerprintOf(withFrames(frame("f", other))));
    });
  }
});

describe("properties of fingerprints", () => {
  const word = fc.stringMatching(/^[a-z]{3,8}$/);
  const names = fc.uniqueArray(word, { minLength: 1, maxLength: 6 });
  const values = [
    fc.oneof(
      fc.nat().map(String),
      fc.uuid(),
      fc.stringMatching(/^0x[0-9a-f]{6,16}$/),
      fc.stringMatching(/^[0-9a-f]{12}$/),
    ),
    fc.oneof(fc.ipV4(), fc.constantFrom("::1", "fe80::1", "2001:db8:0:0:0:0:0:12")),
    fc.tuple(word, word).map(([name, host]) => `${name}@${host}.example`),
    fc.date({ min: new Date(0), max: new Date(4e12), noInvalidDate: true }).map((date) => date.toISOString()),
    fc.array(word, { minLength: 2, maxLength: 4 }).map((parts) => `/${parts.join("/")}`),
    fc.oneof(fc.tuple(word, fc.constantFrom("'", '"')).map(([text, quote]) => quote + text + quote)),
  ];
  /** Two values of one kind. */
  const pair = fc.constantFrom(...values).chain((value) => fc.tuple(value, value));

  test("numbers of lines, columns, addresses, times and hashes change nothing", () => {
    const noise = fc.record({
      line: fc.nat(5000),
      column: fc.nat(200),
      hash: fc.stringMatching(/^[0-9a-f]{7}1$/),
      atMs: fc.nat(),
    });
    fc.assert(
      fc.property(names, fc.tuple(noise, noise), pair, (functions, [a, b], [one, other]) => {
        const of = ({ line, column, hash, atMs }: typeof a, value: string) =>
          fingerprintOf(
            traceback({
              atMs,
              parts: [
                part(
                  "ValueError",
                  `bad ${value} here`,
                  functions.map((name) =>
                    frame(name, { line: line + 3, column, file: `/srv/${hash}/app/main-${hash}.js` }),
                  ),
                ),
              ],
            }),
          );
        expect(of(a, one)).toBe(of(b, other));
      }),
    );
  });

  test("another function of the application makes another group", () => {
    fc.assert(
      fc.property(names, fc.nat(), word, (functions, at, other) => {
        fc.pre(!functions.includes(other));
        const changed = functions.with(at % functions.length, other);
        const of = (list: readonly string[]) => fingerprintOf(withFrames(...list.map((name) => frame(name))));
        expect(of(changed)).not.toBe(of(functions));
      }),
    );
  });

  test("values in a message without a traceback change nothing", () => {
    fc.assert(
      fc.property(pair, ([a, b]) => {
        const of = (text: string) => fingerprintOf(message(`order ${text} was refused by the bank`));
        expect(of(a)).toBe(of(b));
        const typed = (text: string) =>
          fingerprintOf(traceback({ parts: [part("Refused", `order ${text} was refused`)] }));
        expect(typed(a)).toBe(typed(b));
      }),
    );
  });

  test("any event has an identity, and the same one each time", () => {
    const text = fc.oneof(fc.string({ unit: "binary", maxLength: 200 }), fc.string({ maxLength: 200 }));
    const anyFrame = fc.record({
      function: fc.option(text),
      module: fc.option(text),
      file: fc.option(text),
      line: fc.option(fc.integer()),
      column: fc.option(fc.integer()),
      inApplication: fc.boolean(),
      code: fc.option(text),
    });
    const anyPart = fc.record({
      type: fc.option(text),
      value: text,
      frames: fc.array(anyFrame, { maxLength: 5 }),
      relation: fc.constantFrom(null, "cause" as const, "context" as const, "suppressed" as const, "member" as const),
    });
    fc.assert(
      fc.property(fc.array(anyPart, { maxLength: 4 }), fc.array(text, { maxLength: 3 }), (parts, lines) => {
        const event = traceback({ parts, lines, firstPosition: 1 });
        const { explain: explainOne, ...one } = alone(event);
        const { explain: explainOther, ...other } = alone(event);
        expect(one).toEqual(other);
        expect(explainOne()).toEqual(explainOther());
      }),
    );
  });
});

describe("an explanation", () => {
  test("of functions says what decided and what did not", () => {
    const event = traceback({
      parts: [
        part("RuntimeError", "failed", [frame("run")]),
        {
          ...part("KeyError", "'id 12'", [frame("load"), frame("get", { inApplication: false })]),
          relation: "cause",
        },
      ],
    });
    expect(alone(event).explain()).toEqual({
      version: 1,
      method: "frames",
      decided: [
        { what: "type of the innermost cause", value: "KeyError" },
        { what: "function of the application", value: "shop/cart.py load" },
      ],
      ignored: [
        { what: "message", value: "<quoted>" },
        { what: "values in the message", value: "quoted" },
        { what: "line and column numbers", value: "3" },
        { what: "functions of libraries", value: "1" },
        { what: "errors around the innermost cause", value: "RuntimeError" },
      ],
    });
  });

  test("of a bad line shows the template", () => {
    const { learn } = createTemplates();
    identify("p1", message("cache of alice is stale after 12 s, reload"), learn);
    const second = identify("p1", message("cache of bob is stale after 7 s, reload"), learn);
    expect(second.explain()).toMatchObject({
      method: "template",
      decided: [
        { what: "source", value: "api" },
        { what: "level", value: "error" },
        { what: "template", value: "cache of <*> is stale after <n> s, reload" },
      ],
    });
  });
});
