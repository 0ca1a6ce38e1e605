/** `orion script start / stop / restart`: an order to one script, several, or all of them. */
import { command } from "../../command.ts";
import { orderScripts } from "../../orders.ts";

const order = (verb: "start" | "stop" | "restart", about: string) =>
  command({
    args: {
      name: { type: "positional", required: false, valueHint: "script...", description: "the scripts' names" },
      all: { type: "boolean", description: "every script" },
    },
    about,
    run: ({ args, words, session }) => orderScripts(verb, words, args.all === true, session),
  });

export const start = order("start", "Answers once the process has been started, or could not be.");
export const stop = order("stop", "Answers once the script's whole process tree is gone.");
export const restart = order("restart", "Stops the whole process tree, then starts the script again.");
