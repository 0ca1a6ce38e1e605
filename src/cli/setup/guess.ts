/** What an application's folder says about how it is started. Looks only; what it finds is offered, never just taken. */
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/** A command that would start it, and what it was read from. */
export type Guess = { readonly command: string; readonly from: string };

/** A folder that is looked at. */
type Look = {
  has(path: string): boolean;
  /** "" when it is not there, or no text of a sensible size */
  text(path: string): string;
  names(): readonly string[];
};

/** Largest file that is looked into, in bytes. */
const maxBytes = 1024 * 1024;
/** Guesses that are offered at most. */
const most = 6;

/** The best first; what a person wrote down to be started goes before what a kind of project is usually started with. */
export function guessCommands(folder: string): readonly Guess[] {
  const look = lookInto(folder);
  const all = [procfile, node, deno, python, go, rust, ruby, php, compose, dockerfile].flatMap((guess) => guess(look));
  const seen = new Set<string>();
  return all.filter(({ command }) => command !== "" && !seen.has(command) && seen.add(command)).slice(0, most);
}

function lookInto(folder: string): Look {
  const has = (path: string) => statSync(join(folder, path), { throwIfNoEntry: false })?.isFile() === true;
  return {
    has,
    text(path) {
      const stat = statSync(join(folder, path), { throwIfNoEntry: false });
      if (stat?.isFile() !== true || stat.size > maxBytes) return "";
      try {
        return readFileSync(join(folder, path), "utf8");
      } catch {
        // not for this user: then it says nothing
        return "";
      }
    },
    names() {
      try {
        return readdirSync(folder);
      } catch {
        // not for this user: then it says nothing
        return [];
      }
    },
  };
}

/** devcenter.heroku.com/articles/procfile: `web: command`. */
function procfile(look: Look): Guess[] {
  const lines = look.text("Procfile").split("\n");
  const processes = lines.flatMap((line) => {
    const match = /^([A-Za-z0-9_-]+):\s*(.+?)\s*$/.exec(line);
    return match === null ? [] : [{ name: match[1] ?? "", command: match[2] ?? "" }];
  });
  const first = processes.find(({ name }) => name === "web") ?? processes.find(({ name }) => name !== "release");
  return first === undefined ? [] : [{ command: first.command, from: `Procfile, ${first.name}` }];
}

function node(look: Look): Guess[] {
  const manifest = jsonOf(look.text("package.json"));
  const start = stringAt(manifest, "scripts", "start");
  const main = stringAt(manifest, "main");
  const found: Guess[] = [];
  if (start !== undefined) {
    // started without the package manager between, it gets its signals itself; its tools are only found with it
    const plain = /^(?:node|bun|deno)\s[^&|;<>$`]*$/.test(start);
    found.push({ command: plain ? start : `${managerOf(look)} start`, from: "package.json, scripts.start" });
  }
  if (main !== undefined && look.has(main)) found.push({ command: `node ${word(main)}`, from: "package.json, main" });
  const server = ["server.js", "index.js", "app.js", "dist/index.js", "dist/main.js"].find((path) => look.has(path));
  if (manifest !== undefined && server !== undefined) found.push({ command: `node ${server}`, from: server });
  return found;
}

function managerOf(look: Look): string {
  if (look.has("bun.lock") || look.has("bun.lockb")) return "bun run";
  if (look.has("pnpm-lock.yaml")) return "pnpm";
  return look.has("yarn.lock") ? "yarn" : "npm";
}

function deno(look: Look): Guess[] {
  const start = stringAt(jsonOf(look.text("deno.json")), "tasks", "start");
  return start === undefined ? [] : [{ command: "deno task start", from: "deno.json, tasks.start" }];
}

function python(look: Look): Guess[] {
  const project = look.text("pyproject.toml");
  const needs = `${project}\n${look.text("requirements.txt")}`;
  const runner = look.has("uv.lock") ? "uv run " : look.has("poetry.lock") ? "poetry run " : "";
  const environment = [".venv", "venv"].find((name) => look.has(`${name}/bin/python`));
  /** a program of the application's own environment */
  const bin = (name: string) =>
    runner !== "" || environment === undefined ? `${runner}${name}` : `${environment}/bin/${name}`;
  const interpreter = bin(runner === "" && environment === undefined ? "python3" : "python");
  const found: Guess[] = [];

  const script = /^\[(?:project|tool\.poetry)\.scripts\]\s*\n(?:\s*#.*\n|\s*\n)*\s*"?([\w.-]+)"?\s*=/m.exec(
    project,
  )?.[1];
  if (script !== undefined) found.push({ command: bin(script), from: "pyproject.toml, scripts" });
  if (look.has("manage.py")) {
    const settings = /["']([\w.]+)\.settings[\w.]*["']/.exec(look.text("manage.py"))?.[1];
    if (/\bgunicorn\b/i.test(needs) && settings !== undefined)
      found.push({ command: bin(`gunicorn ${settings}.wsgi`), from: "manage.py, with gunicorn" });
    found.push({ command: `${interpreter} manage.py runserver 127.0.0.1:8000`, from: "manage.py" });
  }
  for (const [file, module] of [
    ["main.py", "main"],
    ["app.py", "app"],
    ["app/main.py", "app.main"],
    ["src/main.py", "src.main"],
  ] as const) {
    const text = look.text(file);
    if (text === "") continue;
    const asgi = /^(\w+)\s*(?::[^=\n]+)?=\s*(?:FastAPI|Starlette|Litestar|Quart)\(/m.exec(text)?.[1];
    const wsgi = /^(\w+)\s*=\s*Flask\(/m.exec(text)?.[1];
    if (asgi !== undefined) found.push({ command: bin(`uvicorn ${module}:${asgi}`), from: `${file}, ${asgi}` });
    else if (wsgi !== undefined && /\bgunicorn\b/i.test(needs))
      found.push({ command: bin(`gunicorn ${module}:${wsgi}`), from: `${file}, ${wsgi}` });
    else if (wsgi !== undefined) found.push({ command: bin(`flask --app ${module} run`), from: `${file}, ${wsgi}` });
    else found.push({ command: `${interpreter} ${file}`, from: file });
  }
  return found;
}

function go(look: Look): Guess[] {
  const module = /^module\s+(\S+)/m.exec(look.text("go.mod"))?.[1];
  if (module === undefined) return [];
  const name =
    module
      .replace(/\/v\d+$/, "")
      .split("/")
      .at(-1) ?? "";
  return look.has(name)
    ? [{ command: `./${name}`, from: `go.mod, and ${name} is built` }]
    : [{ command: "go run .", from: "go.mod" }];
}

function rust(look: Look): Guess[] {
  const name = /^\[package\][^[]*?^name\s*=\s*"([\w-]+)"/ms.exec(look.text("Cargo.toml"))?.[1];
  if (name === undefined) return [];
  const built = `target/release/${name}`;
  return look.has(built)
    ? [{ command: `./${built}`, from: `Cargo.toml, and ${built} is built` }]
    : [{ command: "cargo run --release", from: "Cargo.toml" }];
}

function ruby(look: Look): Guess[] {
  if (!look.has("Gemfile")) return [];
  if (look.has("bin/rails")) return [{ command: "bin/rails server", from: "bin/rails" }];
  return look.has("config.ru") ? [{ command: "bundle exec rackup", from: "config.ru" }] : [];
}

const php = (look: Look): Guess[] => (look.has("artisan") ? [{ command: "php artisan serve", from: "artisan" }] : []);

function compose(look: Look): Guess[] {
  const file = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"].find((path) =>
    look.has(path),
  );
  return file === undefined ? [] : [{ command: "docker compose up", from: file }];
}

/** docs.docker.com/reference/dockerfile: the last ENTRYPOINT and CMD count, as JSON or as a line for the shell. */
function dockerfile(look: Look): Guess[] {
  const text = look.text("Dockerfile").replace(/\s*\\\r?\n\s*/g, " ");
  const last = (instruction: string) =>
    [...text.matchAll(new RegExp(`^\\s*${instruction}\\s+(.+?)\\s*$`, "gim"))].at(-1)?.[1];
  const [entry, cmd] = [last("ENTRYPOINT"), last("CMD")].map((line) => (line === undefined ? [] : wordsOf(line)));
  const command = [...(entry ?? []), ...(cmd ?? [])].join(" ");
  return command === "" ? [] : [{ command, from: "Dockerfile" }];
}

function wordsOf(line: string): string[] {
  const list = line.startsWith("[") ? jsonOf(line) : undefined;
  if (!Array.isArray(list)) return [line];
  return list.filter((part): part is string => typeof part === "string").map(word);
}

/** A word for the shell. */
const word = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // broken or not there: it says nothing
    return undefined;
  }
}

function stringAt(value: unknown, ...path: readonly string[]): string | undefined {
  let at = value;
  for (const key of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, key)) return undefined;
    at = Reflect.get(at, key);
  }
  return typeof at === "string" && at.trim() !== "" ? at.trim() : undefined;
}
