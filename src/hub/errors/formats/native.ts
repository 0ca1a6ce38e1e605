/** C++ programs that end by an exception: libstdc++'s verbose terminate handler (vterminate.cc), and abort of libc. */
import { addValue, type Begun, createDraft, type Format, type Taken } from "./format.ts";

const start = /^terminate called (?:after throwing an instance of '(.*)'|without an active exception|recursively)$/;
const what = /^ {2}what\(\): {2}(.*)$/;
const fault =
  /^(?:.*: )?(Segmentation fault|Aborted|Bus error|Illegal instruction|Floating point exception)(?: +\(core dumped\))?$/;

export const native: Format = {
  name: "native",
  begin(body): Begun | null {
    const match = start.exec(body);
    if (match === null) {
      const ended = fault.exec(body);
      if (ended === null) return null;
      const part = createDraft(ended[1] ?? null, body);
      return { reading: { format: "native", take: () => "no", complete: () => true, parts: () => [part] } };
    }
    const part = createDraft(match[1] ?? "terminate", match[1] === undefined ? body : "");
    let open = match[1] !== undefined;
    return {
      reading: {
        format: "native",
        take(line, near): Taken {
          const found = open ? what.exec(line) : null;
          if (found === null) return fault.test(line) && near ? "mine" : "no";
          open = false;
          addValue(part, found[1] ?? "");
          return "mine";
        },
        complete: () => true,
        parts: () => [part],
      },
    };
  },
};
