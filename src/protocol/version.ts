import manifest from "../../package.json" with { type: "json" };

/** Put in by a build that says which version it is; see scripts/build.ts. */
declare const BUILT_VERSION: string | undefined;

/** The version of this binary, semver. */
export const version: string = typeof BUILT_VERSION === "string" ? BUILT_VERSION : manifest.version;
