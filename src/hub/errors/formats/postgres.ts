/**
 * PostgreSQL's server log: elog.c (send_message_to_server_log), postgresql.org/docs/15/runtime-config-logging.html. What
 * belongs to an error follows in records of the same process: DETAIL, HINT, QUERY, CONTEXT, LOCATION, STATEMENT; more lines
 * of one begin with a tab.
 */
import type { Frame } from "../event.ts";
import { addFrame, addValue, type Begun, createDraft, type Format, numberOf, type Taken } from "./format.ts";

const start = /^(ERROR|FATAL|PANIC|WARNING): {2}(?:([0-9A-Z]{5}): )?(.*)$/;
const more = /^(DETAIL|HINT|QUERY|CONTEXT|LOCATION|STATEMENT|BACKTRACE): {2}(.*)$/;
const call =
  /^(?:PL\/[\w]+ function (?:"?([\w.]+)"?|inline_code_block)(?:\(.*\))?|SQL function "(\w+)") (?:line (\d+)|statement \d+)/;
const where = /^(.*) at character \d+$/;

export const postgres: Format = {
  name: "postgres",
  begin(body): Begun | null {
    const match = start.exec(body);
    if (match === null) return null;
    const [, severity = "", code, text = ""] = match;
    const part = createDraft(code === undefined ? severity : `${severity} ${code}`, where.exec(text)?.[1] ?? text);
    let field = "";
    return {
      reading: {
        format: "postgres",
        level: severity === "WARNING" ? "warn" : severity === "ERROR" ? "error" : "fatal",
        take(next): Taken {
          const found = more.exec(next);
          if (found === null && !next.startsWith("\t")) return "no";
          if (found !== null) field = found[1] ?? "";
          const told = (found?.[2] ?? next).trim();
          if (field === "CONTEXT") takeCall(told);
          else if (field === "") addValue(part, told);
          return "mine";
        },
        complete: () => true,
        parts: () => [part],
      },
    };

    function takeCall(text: string): void {
      const called = call.exec(text);
      if (called !== null) addFrame(part, frameOf(called));
    }
  },
};

function frameOf([, procedural, plain, line]: RegExpExecArray): Frame {
  return {
    function: procedural ?? plain ?? "inline_code_block",
    module: null,
    file: null,
    line: numberOf(line),
    column: null,
    inApplication: true,
    code: null,
  };
}
