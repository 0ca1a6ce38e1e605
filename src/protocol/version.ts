import manifest from "../../package.json" with { type: "json" };

/** The version of this binary, semver. */
export const version: string = manifest.version;
