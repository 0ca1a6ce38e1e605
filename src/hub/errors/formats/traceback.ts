/**
 * `Traceback (most recent call last):` is Python's, and Ruby's when it prints the innermost call last (2.5 to 2.7 on a
 * terminal): the next line tells.
 */
import type { Before, Begun, Format, Reading } from "./format.ts";
import { createPython, isPythonStart } from "./python.ts";
import { createReversedRuby, isReversedFrame } from "./ruby.ts";

export const traceback: Format = {
  name: "traceback",
  begin(body: string, _before: Before): Begun | null {
    if (!isPythonStart(body)) return null;
    let reading: Reading = createPython(body);
    let first = true;
    return {
      reading: {
        get format() {
          return reading.format;
        },
        get thread() {
          return reading.thread ?? null;
        },
        take(line, near, loose) {
          if (first && isReversedFrame(line)) reading = createReversedRuby();
          first = false;
          return reading.take(line, near, loose);
        },
        complete: () => reading.complete(),
        parts: () => reading.parts(),
      },
    };
  },
};
