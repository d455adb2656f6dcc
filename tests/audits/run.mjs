/** Runs one suite against a server, and prints a line of JSON for each audit: run.mjs SUITE URL TOKEN */
import { serverAudits } from "graphql-http";
import { eventStreamAudits } from "./event-stream.mjs";
import { socketAudits } from "./socket.mjs";

const suites = { "graphql-http": serverAudits, "graphql-transport-ws": socketAudits, "graphql-sse": eventStreamAudits };
const [suite, url, token] = process.argv.slice(2);

// One after the other: one audit may disturb another. Those that only wait begin first.
const audits = suites[suite]({ url, token });
const waiting = audits.filter((audit) => audit.waits).map((audit) => audit.fn());
for (const audit of audits.filter((audit) => !audit.waits)) report(await audit.fn());
for (const result of waiting) report(await result);
// Open keep-alive connections would delay the exit for seconds.
process.exit();

function report({ id, name, status, reason }) {
  console.log(JSON.stringify({ id, name, status, reason }));
}
