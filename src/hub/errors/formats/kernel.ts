/**
 * The kernel's out-of-memory killer: mm/oom_kill.c (dump_header, __oom_kill_process). A report begins with who asked for
 * memory and ends with who was killed.
 */
import { type Begun, createDraft, type Format, type Taken } from "./format.ts";

const invoked = /^(.+?) invoked oom-killer: /;
const killed =
  /^(?:Memory cgroup out of memory|Out of memory(?: \(oom_kill_allocating_task\))?): Kill(?:ed)? process (\d+) \((.*?)\)/;
const reaped = /^oom_reaper: /;

export const kernel: Format = {
  name: "kernel",
  begin(body): Begun | null {
    const match = invoked.exec(body);
    if (match === null && !killed.test(body)) return null;
    const part = createDraft("oom-kill", match === null ? body : `invoked by ${match[1] ?? ""}`);
    let done = false;
    const take = (line: string, _near: boolean, loose: boolean): Taken => {
      if (killed.test(line)) {
        if (done) return "no";
        done = true;
        part.value = line;
        return "mine";
      }
      // the report's tables have no form of their own
      return done ? (reaped.test(line) ? "mine" : "no") : loose ? "value" : "no";
    };
    if (match === null) take(body, true, false);
    return { reading: { format: "kernel", take, complete: () => done, parts: () => [part] } };
  },
};
