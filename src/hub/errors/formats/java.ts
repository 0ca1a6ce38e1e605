/**
 * Stack traces of Java, Kotlin, Scala and Groovy: Throwable.printStackTrace (java.base/java/lang/Throwable.java) and what
 * Logback and Log4j add to a call (`~[lib.jar:1.2]`). `... 42 more` stands for calls that the error before has too.
 */
import type { Frame } from "../event.ts";
import { isApplication } from "./application.ts";
import {
  addFrame,
  addValue,
  createDraft,
  type Draft,
  mostParts,
  numberOf,
  type Reading,
  type Taken,
} from "./format.ts";
import { type Header, readHeader } from "./header.ts";

const frame = /^\s+at ([^\s()]+)\.([^\s().]+)\(([^()]*)\)(?: ~?\[[^\]]*\])?$/;
const place = /^([\w$.-]+\.\w+)(?::(\d+))?$|^(?:Native Method|Unknown Source|<generated>|<unknown>|:\d+)?$/;
const more = /^\s*\.\.\. \d+ (?:more|common frames omitted|frames? (?:excluded|truncated|omitted).*)$/;
const next = /^(\s*)(Caused by|Suppressed|Wrapped by): (.*)$/;
const circular = /^\s*\[CIRCULAR REFERENCE: .*\]$/;

export function isJavaFrame(line: string): boolean {
  const match = frame.exec(line);
  return match !== null && place.test(match[3] ?? "");
}

export function createJava(header: Header, values: readonly string[]): Reading {
  const first = createDraft(header.type, header.value);
  for (const line of values) addValue(first, line);
  const causes: Draft[] = [first];
  const others: Draft[] = [];
  let open = first;
  let begun = false;

  function takeNext(match: RegExpExecArray): void {
    const [, indent = "", word, text = ""] = match;
    const found = readHeader(text);
    const suppressed = indent !== "" || word === "Suppressed";
    const relation = word === "Suppressed" ? "suppressed" : "cause";
    open = createDraft(found?.type ?? null, found?.value ?? text, relation);
    begun = false;
    if (causes.length + others.length < mostParts) (suppressed ? others : causes).push(open);
  }

  return {
    format: "java",
    thread: header.thread,
    take(body, _near, loose): Taken {
      const match = frame.exec(body);
      if (match !== null) {
        addFrame(open, frameOf(match));
        begun = true;
        return "mine";
      }
      if (more.test(body) || circular.test(body)) {
        begun = true;
        return "mine";
      }
      const cause = next.exec(body);
      if (cause !== null) {
        takeNext(cause);
        return "mine";
      }
      if (begun || !loose) return "no";
      addValue(open, body);
      return "value";
    },
    complete: () => begun,
    parts: () => [...causes, ...others],
  };
}

function frameOf([, owner = "", name = "", where = ""]: RegExpExecArray): Frame {
  const match = place.exec(where);
  const file = match?.[1] ?? null;
  // `app//`, `java.base@17/` before it, a hidden class's address behind it
  const own = owner.replace(/\/0x[0-9a-f]+$/, "");
  const module = own.slice(own.lastIndexOf("/") + 1);
  return {
    function: name,
    module,
    file,
    line: numberOf(match?.[2]),
    column: null,
    inApplication: isApplication("java", file, `${module}.${name}`),
    code: null,
  };
}
