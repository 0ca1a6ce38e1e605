/** Perl's `die` and `warn`, and the calls that Carp's `confess` adds (perldoc -f die, perldoc Carp). */
import { isApplication } from "./application.ts";
import { addFrame, type Begun, createDraft, type Format, numberOf, type Taken } from "./format.ts";

const start = /^(\S.*?) at (\S+\.(?:p[lm]|t|cgi|psgi)|-e|\S*\/\S+) line (\d+)(?:, <[^>]*> (?:line|chunk) \d+)?\.?$/;
const call =
  /^\t(?:([\w:]+)::)?([\w{}]+|__ANON__|require .*|eval \{\.\.\.\}|eval '.*')(?:\(.*\))? called at (.+?) line (\d+)(?:, <.*)?$/;

/** What Perl says by itself and goes on (perldiag). */
const warning =
  /^(?:Use of uninitialized value|Argument ".*" isn't numeric|Odd number of elements|Deep recursion on|Subroutine .* redefined|Useless use of|Name ".*" used only once|Wide character in)/;

export const perl: Format = {
  name: "perl",
  begin(body): Begun | null {
    const match = start.exec(body);
    if (match === null) return null;
    const [, value = "", file = "", line] = match;
    const part = createDraft("die", value);
    /** the function that a place belongs to is named with the next call outwards */
    let [atFile, atLine] = [file, line];
    const place = (module: string | null, name: string | null) =>
      addFrame(part, {
        function: name,
        module,
        file: atFile,
        line: numberOf(atLine),
        column: null,
        inApplication: isApplication("perl", atFile, null),
        code: null,
      });
    return {
      reading: {
        format: "perl",
        level: warning.test(value) ? "warn" : null,
        take(next): Taken {
          const called = call.exec(next);
          if (called === null) return "no";
          place(called[1] ?? null, called[2] ?? null);
          [atFile, atLine] = [called[3] ?? "", called[4]];
          return "mine";
        },
        complete: () => true,
        parts() {
          const { length } = part.frames;
          place(null, null);
          const frames = [...part.frames];
          part.frames.length = length;
          return [{ ...part, frames }];
        },
      },
    };
  },
};
