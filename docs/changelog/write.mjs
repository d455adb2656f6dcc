/**
 * Writes docs/schema-changelog.md: what each release changed in schema.graphql.
 *
 *   npm run write                from the tags v1.2.3 of this repository, and the schema of now
 *   npm run write -- --release   the schema of now is the release of pyproject.toml, which is tagged next
 *   npm run check                writes nothing, and fails if the page is not what would be written
 *
 * All fail if a change breaks clients without notice and accepted.json does not name it with its reason, and if a release of
 * the page has no tag here.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { changes } from "./changes.mjs";

const SCHEMA = "schema.graphql";
const TITLES = {
  broken: "Breaks clients",
  removed: "Removed, after it had been deprecated",
  dangerous: "May surprise clients",
  safe: "Added or changed",
};
const HEAD = `# What changed in the schema

What each release changed in \`schema.graphql\`, as graphql-inspector sees it; changes of descriptions are left out.
(\`npm ci && npm run write\` in \`docs/changelog/\` writes this page from the tags of releases.) Everything is deprecated before it
is removed, and enums may get new values at any time, so clients need a default.
`;

const isCheck = process.argv.includes("--check");
const at = process.argv.indexOf("--repository");
const repository = at < 0 ? join(import.meta.dirname, "../..") : process.argv[at + 1];
const page = join(repository, "docs/schema-changelog.md");
const accepted = JSON.parse(readFileSync(join(repository, "docs/changelog/accepted.json"), "utf8"));

const git = (...args) => execFileSync("git", ["-C", repository, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

const shown = existsSync(page) ? readFileSync(page, "utf8") : "";
// A release keeps its date when the page is written again.
const dates = new Map([...shown.matchAll(/^## (\d+\.\d+\.\d+), (\S+)$/gm)].map(([, version, date]) => [version, date]));
const tags = git("tag", "--list", "v*", "--sort=version:refname").split("\n").filter((tag) => /^v\d+\.\d+\.\d+$/.test(tag));
const versions = tags.map((tag) => ({
  title: `${tag.slice(1)}, ${dates.get(tag.slice(1)) ?? git("log", "-1", "--format=%cs", tag).trim()}`,
  schema: git("show", `${tag}:${SCHEMA}`),
}));
const [, next] = /^version = "(.+)"$/m.exec(readFileSync(join(repository, "pyproject.toml"), "utf8"));
const isRelease = !tags.includes(`v${next}`) && (process.argv.includes("--release") || dates.has(next));
const missing = [...dates.keys()].filter((version) => version !== next && !tags.includes(`v${version}`));
if (missing.length > 0) fail(`there is no tag v${missing[0]}: git fetch --tags`);

const sections = [];
const unnamed = [];
const today = new Date().toISOString().slice(0, 10);
const now = { title: isRelease ? `${next}, ${dates.get(next) ?? today}` : "Not released yet", schema: readFileSync(join(repository, SCHEMA), "utf8") };
for (const [index, version] of [...versions, now].entries()) {
  if (index === 0) {
    sections.push(`## ${version.title}\n\n${version === now && !isRelease ? "The first release will have" : "The first release has"} the schema as it is there.\n`);
    continue;
  }
  const found = await changes(versions[index - 1].schema, version.schema);
  if (version === now && found.length === 0 && !isRelease) continue;
  unnamed.push(...found.filter(({ kind, message }) => kind === "broken" && !accepted[message]).map(({ message }) => message));
  sections.push(`## ${version.title}\n\n${section(found)}`);
}
if (unnamed.length > 0) fail(`these break clients without notice, and docs/changelog/accepted.json does not say why:\n${unnamed.join("\n")}`);

const text = [HEAD, ...sections.reverse()].join("\n");
if (!isCheck) writeFileSync(page, text);
else if (text !== shown) fail("docs/schema-changelog.md is stale: npm ci && npm run write in docs/changelog/");

function section(found) {
  if (found.length === 0) return "Nothing changed.\n";
  return Object.entries(TITLES)
    .map(([kind, title]) => [title, found.filter((change) => change.kind === kind)])
    .filter(([, those]) => those.length > 0)
    .map(([title, those]) => `### ${title}\n\n${those.map(line).join("\n")}\n`)
    .join("\n");
}

function line({ message }) {
  const quoted = message.replaceAll(/'([^']*)'/g, "`$1`");
  return accepted[message] ? `- ${quoted}: ${accepted[message]}` : `- ${quoted}`;
}

function fail(reason) {
  console.error(reason);
  process.exit(1);
}
