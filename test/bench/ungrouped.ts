/** Preloaded by a bench: a hub that doesn't follow its log for errors, to see what following costs. */
import { plugin } from "bun";

const start = "  errors.start();\n";

plugin({
  name: "ungrouped",
  setup(build) {
    build.onLoad({ filter: /\/src\/hub\/error-groups\.ts$/ }, async ({ path }) => {
      const text = await Bun.file(path).text();
      if (!text.includes(start)) throw new Error(`${path} starts grouping in another way than this bench knows`);
      return { contents: text.replace(start, ""), loader: "ts" };
    });
  },
});
