/** `orion hub regroup`: errors grouped anew from what is stored, by the rules of this version. */
import { command } from "../../command.ts";
import { CliFault, exitCodes } from "../../exit.ts";
import { interruptible } from "../../interrupt.ts";
import { note, print, printJson } from "../../output.ts";
import { count } from "../../units.ts";
import { parseSince } from "../../values.ts";
import { dataDirFlag, withOperator } from "./folder.ts";

/** Milliseconds between two looks at how far it is. */
const lookEveryMs = 250;
/** Percent between two lines about it. */
const sayEvery = 10;

export const regroup = command({
  args: {
    since: {
      type: "string",
      valueHint: "time",
      description: "from then on: 12h, 7d, or 2026-01-31T14:00:00Z (7d)",
    },
    ...dataDirFlag,
  },
  about: [
    "Reads the stored lines once more and makes the groups anew; what people have decided is kept. Nothing changes until",
    "all is read, then everything at once. Works on the hub's own machine, as the user that the hub runs as, whether it",
    "runs or not; a hub that runs goes on taking lines.",
  ].join("\n"),
  examples: ["sudo -u orion orion hub regroup --since 14d"],
  async run({ args, session }) {
    const since = parseSince(args.since ?? "7d", Date.now());
    const state = await interruptible(({ signal }) =>
      withOperator(session, args["data-dir"], async (operator) => {
        let now = await operator.regroup({ since });
        let said = 0;
        while (now.state === "running") {
          await Bun.sleep(lookEveryMs);
          signal.throwIfAborted();
          now = await operator.regroupProgress({});
          const percent = now.ofLines === 0 ? 0 : Math.floor((now.lines / now.ofLines) * 100);
          if (now.state !== "running" || percent < said + sayEvery) continue;
          said = percent - (percent % sayEvery);
          await note(`${said} %: ${count(now.lines)} of ${count(now.ofLines)} lines, ${count(now.events)} errors`);
        }
        return now;
      }),
    );
    if (state.state === "failed") {
      const why = `errors could not be grouped anew: ${state.problem ?? "the hub's log says why"}`;
      throw new CliFault(exitCodes.failed, "failed", why, "The groups are as they were");
    }
    const { lines, events, made, absorbed } = state;
    if (session.json) await printJson({ since, lines, events, made, absorbed });
    else {
      await print(
        `${count(events)} errors in ${count(lines)} lines; ${count(made)} groups are new, ${count(absorbed)} are part of another one now\n`,
      );
    }
    return exitCodes.done;
  },
});
