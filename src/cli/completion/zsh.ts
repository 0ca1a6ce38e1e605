/** For zsh: `_arguments` of each command behind a walk over the sub-commands. */
import { type Branch, type Flag, type Leaf, type Model, type Offer, namesFrom } from "./model.ts";

export function renderZsh({ branches, leaves, globals }: Model): string {
  return `#compdef orion
# zsh completion for orion

_orion_names() {
  local -a dir names
  local i=\${words[(I)--dir]}
  ((i > 0)) && dir=(--dir "\${words[i + 1]}")
  names=(\${(f)"$(orion $dir "$@" 2>/dev/null)"})
  compadd -a names
}
_orion_scripts() { _orion_names ${namesFrom.script} }
_orion_sources() { _orion_names ${namesFrom.source} }

${branches.map((branch) => renderBranch(branch, globals)).join("\n")}
${leaves.map((leaf) => renderLeaf(leaf, globals)).join("\n")}
if [ "$funcstack[1]" = "_orion" ]; then
  _orion "$@"
else
  compdef _orion orion
fi
`;
}

const nameOf = (path: string): string =>
  ["_orion", ...path.split(" ").filter((word) => word !== "")].join("_").replaceAll("-", "_");

function renderBranch(branch: Branch, globals: readonly Flag[]): string {
  const cases = branch.children
    .filter(({ name }) => name !== "help")
    .map(({ name }) => `        ${name}) ${nameOf(`${branch.path} ${name}`)} ;;`);
  return `${nameOf(branch.path)}() {
  local curcontext="$curcontext" state line
  local -a commands
  commands=(
${branch.children.map(({ name, summary }) => `    ${quote(`${name}:${summary}`)}`).join("\n")}
  )
  _arguments -C \\
${[...branch.flags, ...globals].map((flag) => `    ${specOf(flag)} \\\n`).join("")}    '1: :->command' \\
    '*:: :->rest'
  case $state in
    command) _describe command commands ;;
    rest)
      case $line[1] in
${cases.join("\n")}
      esac
      ;;
  esac
}
`;
}

function renderLeaf(leaf: Leaf, globals: readonly Flag[]): string {
  const specs = [...leaf.flags, ...globals].map(specOf);
  const words = leaf.words.map((word, index) => {
    const many = leaf.goesOn && index === leaf.words.length - 1;
    return quote(`${many ? "*" : index + 1}: :${actionOf(word)}`);
  });
  return `${nameOf(leaf.path)}() {
  _arguments -s ${[...specs, ...words].join(" \\\n    ")}
}
`;
}

/** `'(-n --lines)'{-n,--lines}'[summary]:value:action'`, see zshcompsys(1). */
function specOf({ long, short, summary, value }: Flag): string {
  const tail = `[${summary.replace(/[[\]\\]/g, "\\$&").replaceAll(":", "\\:")}]${value === undefined ? "" : `:value:${actionOf(value)}`}`;
  return short === undefined
    ? quote(`${long}${tail}`)
    : `${quote(`(${short} ${long})`)}{${short},${long}}${quote(tail)}`;
}

function actionOf(value: Offer): string {
  if (value.kind === "list") return `(${value.words.join(" ")})`;
  if (value.kind === "script") return "_orion_scripts";
  if (value.kind === "source") return "_orion_sources";
  if (value.kind === "folder") return "_files -/";
  if (value.kind === "file") return "_files";
  return "";
}

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
