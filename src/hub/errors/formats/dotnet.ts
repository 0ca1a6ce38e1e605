/**
 * Exceptions of .NET: Exception.ToString (System.Private.CoreLib/src/System/Exception.cs). An inner exception follows
 * ` ---> ` and prints its calls first, up to `--- End of inner exception stack trace ---`.
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

const call = /^\s+at ([^\s(]+)\(/;
const place = /^\) in (.+):line (\d+)$/;
/** Mono: the offset in its own code, and a file or a hash */
const offset = /^\) \[0x[0-9a-f]+\] in /;
const endOfInner = /^\s*--- End of inner exception stack trace ---$/;
const aside = /^\s*--- End of stack trace from previous location.*---$/;
const inner = /^\s*(?:---> )(?:\(Inner Exception #\d+\) )?(.*)$/;

type Call = { readonly name: string; readonly file: string | null; readonly line: string | undefined };

export function isDotnetFrame(line: string): boolean {
  const found = parseCall(line);
  return found !== null && (found.file !== null || found.name.includes("."));
}

function parseCall(body: string): Call | null {
  const name = call.exec(body)?.[1];
  if (name === undefined) return null;
  if (body.endsWith(")")) return { name, file: null, line: undefined };
  const rest = body.slice(Math.max(body.lastIndexOf(") in "), body.lastIndexOf(") [0x")));
  const match = place.exec(rest);
  if (match === null) return offset.test(rest) ? { name, file: null, line: undefined } : null;
  return { name, file: match[1] ?? null, line: match[2] };
}

export function createDotnet(header: Header, values: readonly string[]): Reading {
  const parts: Draft[] = [];
  const members: Draft[] = [];
  /** exceptions whose calls are still to come; the last is printed now */
  const open: Draft[] = [];
  let begun = false;

  function push(type: string | null, value: string, relation: Draft["relation"]): void {
    const [own = "", ...rest] = value.split(" ---> ");
    const draft = createDraft(type, own, relation);
    if (parts.length + members.length < mostParts) (relation === "member" ? members : parts).push(draft);
    open.push(draft);
    begun = false;
    if (rest.length > 0) pushText(rest.join(" ---> "), "cause");
  }

  function pushText(text: string, relation: Draft["relation"]): void {
    const found = readHeader(text);
    push(found?.type ?? null, found?.value ?? text, relation);
  }

  push(header.type, header.value, null);
  for (const line of values) takeValue(line);

  function takeValue(line: string): void {
    const found = inner.exec(line);
    if (found !== null)
      pushText(found[1] ?? "", line.includes("(Inner Exception #") && !line.includes("#0)") ? "member" : "cause");
    else addValue(open.at(-1) as Draft, line);
  }

  return {
    format: "dotnet",
    thread: header.thread,
    take(body, near, loose): Taken {
      const found = parseCall(body);
      if (found !== null) {
        addFrame(open.at(-1) as Draft, frameOf(found));
        begun = true;
        return "mine";
      }
      if (endOfInner.test(body)) {
        if (open.length > 1) open.pop();
        begun = true;
        return "mine";
      }
      if (aside.test(body)) return "mine";
      if (inner.test(body)) {
        // the inner ones of an AggregateException are told again, one by one
        if (begun && open.length > 1) open.length = 1;
        takeValue(body);
        return "mine";
      }
      if (body.endsWith("<---") && near) return "mine";
      if (begun || !loose) return "no";
      takeValue(body);
      return "value";
    },
    complete: () => begun,
    parts: () => [...parts, ...members],
  };
}

function frameOf({ name, file, line }: Call): Frame {
  const dot = name.replace(/\.\.c?ctor$/, "#ctor").lastIndexOf(".");
  const module = dot === -1 ? null : name.slice(0, dot);
  return {
    function: name.slice(dot + 1).replace(/^#/, "."),
    module,
    file,
    line: numberOf(line),
    column: null,
    inApplication: isApplication("dotnet", file, name),
    code: null,
  };
}
