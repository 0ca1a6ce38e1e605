/** For bash, without the bash-completion package: a walk over the words typed so far, then one `compgen`. */
import { type Flag, type Leaf, type Model, type Offer, namesFrom } from "./model.ts";

export function renderBash({ branches, leaves, globals }: Model): string {
  const valueFlags = [...globals, ...leaves.flatMap((leaf) => leaf.flags)].filter((flag) => flag.value !== undefined);
  const takesValue = [...new Set(valueFlags.flatMap(namesOf))].join("|");
  const globalNames = globals.flatMap(namesOf).join(" ");
  return `# bash completion for orion
_orion() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]}
  local path="" dir=() count=0 leaf="" i word
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    case "$word" in
      --dir) dir=(--dir "\${COMP_WORDS[i + 1]}"); ((i++)) ;;
      ${takesValue}) ((i++)) ;;
      -*) ;;
      *)
        if [[ -n $leaf ]]; then
          ((count++))
        else
          path=\${path:+$path }$word
          case "$path" in
            ${leaves.map((leaf) => `"${leaf.path}"`).join("|")}) leaf=1 ;;
          esac
        fi
        ;;
    esac
  done
  if [[ $prev == --dir ]]; then
    mapfile -t COMPREPLY < <(compgen -d -- "$cur")
    return
  fi
  case "$path $prev" in
${leaves.flatMap((leaf) => leaf.flags.map((flag) => valueCase(leaf, flag))).join("")}  esac
  if [[ $cur == -* ]]; then
    local flags="${globalNames}"
    case "$path" in
${[...leaves, ...branches]
  .filter((leaf) => leaf.flags.length > 0)
  .map((leaf) => `      "${leaf.path}") flags="$flags ${leaf.flags.flatMap(namesOf).join(" ")}" ;;\n`)
  .join("")}    esac
    mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$cur")
    return
  fi
  case "$path" in
${branches.map((branch) => `    "${branch.path}"${branch.path === "" ? '|"help"' : ""}) mapfile -t COMPREPLY < <(compgen -W "${branch.children.map(({ name }) => name).join(" ")}" -- "$cur") ;;\n`).join("")}${leaves.flatMap(wordCase).join("")}  esac
}
complete -o default -F _orion orion
`;
}

const namesOf = (flag: Flag): string[] => (flag.short === undefined ? [flag.long] : [flag.short, flag.long]);

function valueCase(leaf: Leaf, flag: Flag): string {
  if (flag.value === undefined) return "";
  return `    ${namesOf(flag)
    .map((name) => `"${leaf.path} ${name}"`)
    .join("|")}) ${offer(flag.value)}; return ;;\n`;
}

function wordCase(leaf: Leaf): string[] {
  return leaf.words.flatMap((word, index) => {
    if (word.kind === "anything") return [];
    const last = index === leaf.words.length - 1;
    const when = last && leaf.goesOn ? `((count >= ${index}))` : `((count == ${index}))`;
    return [`    "${leaf.path}") ${when} && ${offer(word)} ;;\n`];
  });
}

function offer(value: Offer): string {
  const from = (list: string) => `mapfile -t COMPREPLY < <(compgen ${list} -- "$cur")`;
  if (value.kind === "list") return from(`-W "${value.words.join(" ")}"`);
  if (value.kind === "script" || value.kind === "source") {
    return from(`-W "$(orion "\${dir[@]}" ${namesFrom[value.kind]} 2>/dev/null)"`);
  }
  if (value.kind === "folder") return from("-d");
  if (value.kind === "file") return from("-f");
  return ":";
}
