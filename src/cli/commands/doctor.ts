/** `orion doctor`: everything that can be wrong on this host, and what to do about each. */
import { type Paint, type Style, harmless, painter, wantsColours } from "../colour.ts";
import { command } from "../command.ts";
import { examine } from "../doctor/examine.ts";
import type { Finding, Result } from "../doctor/finding.ts";
import { exitCodes } from "../exit.ts";
import { print, printJson } from "../output.ts";

export const doctor = command({
  args: {},
  about: "Looks only, changes nothing. Exit code 1 when something fails.",
  async run({ session }) {
    const findings = await examine({
      paths: session.paths,
      dir: session.dir,
      variables: session.environment.variables,
      uid: process.getuid?.() ?? 0,
      session,
    });
    const failed = findings.some(({ result }) => result === "fail");
    if (session.json) await printJson({ ok: !failed, findings });
    else await print(render(findings, painter(wantsColours(session))));
    return failed ? exitCodes.failed : exitCodes.done;
  },
});

const styles: Record<Result, Style> = { ok: "green", warn: "yellow", fail: "red" };

function render(findings: readonly Finding[], paint: Paint): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  const lines = findings.flatMap(({ check, result, what, todo }) => {
    const first = `${paint(styles[result], result.padEnd(4))}  ${check.padEnd(width)}  ${harmless(what, false)}`;
    return todo === null ? [first] : [first, `${" ".repeat(width + 8)}${paint("bold", "→")} ${harmless(todo, false)}`];
  });
  const count = (wanted: Result) => findings.filter(({ result }) => result === wanted).length;
  return `${[...lines, "", `${count("ok")} ok, ${count("warn")} to look at, ${count("fail")} wrong`].join("\n")}\n`;
}
