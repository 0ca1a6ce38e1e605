import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

import { guessCommands } from "#src/cli/setup/guess.ts";
import { scriptNameFor } from "#src/cli/setup/script-words.ts";
import { scriptName } from "#src/protocol/scripts.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import fc from "fast-check";

const json = (value: unknown) => JSON.stringify(value);

describe("what a folder says about its start", () => {
  const rows: readonly (readonly [string, Readonly<Record<string, string>>, readonly string[]])[] = [
    ["nothing in an empty folder", {}, []],
    [
      "a plain start script is taken as it is",
      { "package.json": json({ scripts: { start: "node dist/index.js" } }) },
      ["node dist/index.js"],
    ],
    ["another one is run by npm", { "package.json": json({ scripts: { start: "next start" } }) }, ["npm start"]],
    ["by pnpm", { "package.json": json({ scripts: { start: "next start" } }), "pnpm-lock.yaml": "" }, ["pnpm start"]],
    ["by yarn", { "package.json": json({ scripts: { start: "a && b" } }), "yarn.lock": "" }, ["yarn start"]],
    ["by bun", { "package.json": json({ scripts: { start: "next start" } }), "bun.lock": "" }, ["bun run start"]],
    ["main, if it is there", { "package.json": json({ main: "lib/a b.js" }), "lib/a b.js": "" }, ["node 'lib/a b.js'"]],
    ["main that is not there is nothing", { "package.json": json({ main: "dist/x.js" }) }, []],
    ["a broken package.json is nothing", { "package.json": "{" }, []],
    [
      "a Procfile goes first",
      { Procfile: "worker: ./w\nweb: ./serve -p $PORT\n", "package.json": json({ scripts: { start: "node a" } }) },
      ["./serve -p $PORT", "node a"],
    ],
    ["deno's task", { "deno.json": json({ tasks: { start: "deno run main.ts" } }) }, ["deno task start"]],
    [
      "Django",
      { "manage.py": 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site.settings")' },
      ["python3 manage.py runserver 127.0.0.1:8000"],
    ],
    [
      "Django with gunicorn in its own environment",
      { "manage.py": "'shop.settings.prod'", "requirements.txt": "gunicorn==23\n", ".venv/bin/python": "" },
      [".venv/bin/gunicorn shop.wsgi", ".venv/bin/python manage.py runserver 127.0.0.1:8000"],
    ],
    ["FastAPI under uv", { "main.py": "api = FastAPI()\n", "uv.lock": "" }, ["uv run uvicorn main:api"]],
    ["Flask", { "app.py": "app = Flask(__name__)\n" }, ["flask --app app run"]],
    [
      "Flask with gunicorn",
      { "app.py": "app = Flask(__name__)\n", "pyproject.toml": 'dependencies = ["gunicorn"]' },
      ["gunicorn app:app"],
    ],
    ["a Python script", { "main.py": "print(1)\n" }, ["python3 main.py"]],
    [
      "pyproject's scripts",
      { "pyproject.toml": '[project.scripts]\nserve = "shop:main"\n', "poetry.lock": "" },
      ["poetry run serve"],
    ],
    ["Go", { "go.mod": "module example.com/shop/v2\n\ngo 1.24\n" }, ["go run ."]],
    ["Go that is built", { "go.mod": "module example.com/shop/v2\n", shop: "" }, ["./shop"]],
    ["Rust", { "Cargo.toml": '[package]\nversion = "1"\nname = "shop"\n' }, ["cargo run --release"]],
    [
      "Rust that is built",
      { "Cargo.toml": '[package]\nname = "shop"\n', "target/release/shop": "" },
      ["./target/release/shop"],
    ],
    ["Rails", { Gemfile: "", "bin/rails": "" }, ["bin/rails server"]],
    ["Rack", { Gemfile: "", "config.ru": "" }, ["bundle exec rackup"]],
    ["Laravel", { artisan: "" }, ["php artisan serve"]],
    ["compose", { "compose.yaml": "services: {}" }, ["docker compose up"]],
    [
      "a Dockerfile's CMD as JSON",
      { Dockerfile: 'FROM a\nCMD ["./old"]\nENTRYPOINT ["./run", "it now"]\nCMD [ "--all" ]\n' },
      ["./run 'it now' --all"],
    ],
    ["a Dockerfile's CMD for the shell", { Dockerfile: "FROM a\ncmd ./run \\\n  --all\n" }, ["./run --all"]],
  ];
  for (const [name, files, commands] of rows) {
    test(name, async () => {
      await using folder = temporaryFolder("orion-guess-");
      for (const [path, text] of Object.entries(files)) {
        mkdirSync(dirname(folder.at(path)), { recursive: true });
        writeFileSync(folder.at(path), text);
      }
      expect(guessCommands(folder.path).map(({ command }) => command)).toEqual([...commands]);
    });
  }

  test("never throws, whatever stands in the files", async () => {
    await using folder = temporaryFolder("orion-guess-");
    const names = [
      "package.json",
      "Procfile",
      "pyproject.toml",
      "go.mod",
      "Cargo.toml",
      "Dockerfile",
      "manage.py",
      "main.py",
    ];
    fc.assert(
      fc.property(fc.constantFrom(...names), fc.oneof(fc.string({ unit: "binary" }), fc.json()), (name, text) => {
        writeFileSync(folder.at(name), text);
        for (const { command } of guessCommands(folder.path)) expect(command).not.toBe("");
      }),
      { numRuns: 300 },
    );
  });
});

test("every source's name becomes a script's", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 200 }), (name) => {
      expect(scriptName.safeParse(scriptNameFor(name)).success).toBe(true);
    }),
  );
  expect(["API_v2", "Büro", "--", "läden.de/shop"].map(scriptNameFor)).toEqual([
    "api-v2",
    "buro",
    "app",
    "laden-de-shop",
  ]);
});
