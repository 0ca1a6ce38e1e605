/** `orion completion`: scripts for shells, made of the commands' own declarations. */
import { command } from "../command.ts";
import { exitCodes, usageFault } from "../exit.ts";
import { print } from "../output.ts";

const shells = ["bash", "zsh", "fish"] as const;

export const completion = command({
  args: { shell: { type: "positional", required: true, valueHint: "shell", description: shells.join(", ") } },
  examples: [
    "bash:  orion completion bash > ~/.local/share/bash-completion/completions/orion",
    'zsh:   orion completion zsh > "${fpath[1]}/_orion"',
    "fish:  orion completion fish > ~/.config/fish/completions/orion.fish",
  ],
  async run({ args }) {
    const shell = shells.find((name) => name === args.shell);
    if (shell === undefined)
      throw usageFault(`"${args.shell}" is no shell that is known`, `One of: ${shells.join(", ")}`);
    const { completionScript } = await import("../completion/script.ts");
    await print(await completionScript(shell));
    return exitCodes.done;
  },
});
