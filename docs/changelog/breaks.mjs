/** `node breaks.mjs OLD NEW [OLD NEW ...]` prints for each pair of files a line of JSON: what breaks clients without notice. */
import { readFileSync } from "node:fs";
import { changes } from "./changes.mjs";

const files = process.argv.slice(2);
for (let i = 0; i < files.length; i += 2) {
  const [older, newer] = files.slice(i, i + 2).map((file) => readFileSync(file, "utf8"));
  const broken = (await changes(older, newer)).filter(({ kind }) => kind === "broken");
  console.log(JSON.stringify(broken.map(({ message }) => message)));
}
