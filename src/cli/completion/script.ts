/** The completion script of a shell. */
import { renderBash } from "./bash.ts";
import { renderFish } from "./fish.ts";
import { readModel } from "./model.ts";
import { renderZsh } from "./zsh.ts";

const renderers = { bash: renderBash, zsh: renderZsh, fish: renderFish } as const;

export async function completionScript(shell: keyof typeof renderers): Promise<string> {
  return renderers[shell](await readModel());
}
