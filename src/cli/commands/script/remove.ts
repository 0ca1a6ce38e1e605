/** `orion script remove`. */
import { command } from "../../command.ts";
import { orderScripts } from "../../orders.ts";

export const remove = command({
  args: { name: { type: "positional", required: true, valueHint: "script...", description: "the scripts' names" } },
  about: "Stops the script and forgets it. Its log entries stay.",
  run: ({ words, session }) => orderScripts("remove", words, false, session),
});
