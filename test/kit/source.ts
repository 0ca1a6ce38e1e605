/**
 * What a TypeScript file imports and which words its code holds. A scanner of its own, since Bun's does not see
 * `import type`, and a type is coupling as well.
 */

export type Import = {
  readonly specifier: string;
  /** erased when the file is run */
  readonly typeOnly: boolean;
  /** `import()`: loaded only when it is reached */
  readonly dynamic: boolean;
};

export type Source = {
  readonly imports: readonly Import[];
  /** the text without comments, and with every string empty */
  readonly code: string;
};

/** Scans a whole file. */
export function readSource(text: string): Source {
  const { code, strings } = strip(text);
  const imports: Import[] = [];
  const add = (index: string | undefined, typeOnly: boolean, dynamic: boolean): void => {
    const specifier = strings[Number(index)];
    if (specifier !== undefined) imports.push({ specifier, typeOnly, dynamic });
  };
  // `import`/`export` with a clause, up to its `from`; a clause holds names, braces, commas and stars only
  for (const match of code.matchAll(/\b(?:import|export)\s+(type\s)?\s*([\w$\s{},*]*?)\s*from\s*"(\d+)"/g)) {
    const names = /^\{([^}]*)\}$/.exec((match[2] ?? "").trim())?.[1];
    const listed = names?.split(",").filter((name) => name.trim() !== "") ?? [];
    const everyOneIsType = listed.length > 0 && listed.every((name) => /^\s*type\s/.test(name));
    add(match[3], match[1] !== undefined || everyOneIsType, false);
  }
  for (const match of code.matchAll(/\bimport\s*"(\d+)"/g)) add(match[1], false, false);
  for (const match of code.matchAll(/(\btypeof\s+)?\bimport\s*\(\s*"(\d+)"/g))
    add(match[2], match[1] !== undefined, true);
  for (const match of code.matchAll(/\brequire\s*\(\s*"(\d+)"/g)) add(match[1], false, true);
  return { imports, code: code.replace(/"\d+"/g, '""') };
}

/** Words after which a `/` begins a regular expression, not a division. */
const beforeRegex = /(?:^|[=(,;:!&|?{}[+\-*%<>~^]|\b(?:return|typeof|case|in|of|do|else|void|delete|await|yield))$/;

/** Comments become a space; a string becomes `"n"`, n being its place in `strings`. */
function strip(text: string): { code: string; strings: string[] } {
  const strings: string[] = [];
  let code = "";
  let at = 0;
  // what a closing brace ends: a block, or an expression inside a template
  const braces: ("block" | "template")[] = [];

  const hold = (value: string): void => {
    code += `"${strings.length}"`;
    strings.push(value);
  };
  /** The rest of a template, up to its end or its next expression. */
  const template = (): void => {
    const start = at;
    while (at < text.length && text[at] !== "`" && !text.startsWith("${", at)) at += text[at] === "\\" ? 2 : 1;
    hold(text.slice(start, at));
    if (text[at] === "`") at++;
    else if (at < text.length) {
      at += 2;
      braces.push("template");
      code += "(";
    }
  };

  while (at < text.length) {
    const character = text[at] ?? "";
    if (text.startsWith("//", at)) {
      const end = text.indexOf("\n", at);
      at = end === -1 ? text.length : end;
      code += " ";
    } else if (text.startsWith("/*", at)) {
      const end = text.indexOf("*/", at + 2);
      at = end === -1 ? text.length : end + 2;
      code += " ";
    } else if (character === '"' || character === "'") {
      const literal = /^(["'])((?:\\[^]|(?!\1)[^\\\n])*)\1/.exec(text.slice(at, at + 4096));
      // without its end on the line it is no string: an apostrophe in the text of a page
      if (literal === null) {
        code += " ";
        at++;
      } else {
        hold(literal[2] ?? "");
        at += literal[0].length;
      }
    } else if (character === "`") {
      at++;
      template();
    } else if (character === "/" && beforeRegex.test(code.trimEnd().slice(-12))) {
      const literal = /^\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*/.exec(text.slice(at, at + 4096));
      code += literal === null ? character : " 0 ";
      at += literal?.[0].length ?? 1;
    } else if (character === "{") {
      braces.push("block");
      code += character;
      at++;
    } else if (character === "}") {
      at++;
      if (braces.pop() === "template") {
        code += ")";
        template();
      } else code += character;
    } else {
      code += character;
      at++;
    }
  }
  return { code, strings };
}
