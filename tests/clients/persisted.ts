/**
 * Queries by their hash, with Apollo Client's link and urql's exchange.
 *
 * Run by the test as `node SCRIPT SERVER KIND`. KIND is `automatic`, or `listed`: then the hashes are those that the
 * code generator has written into the documents and into the server's list. Prints a line of JSON for each step.
 */
import { createHash } from "node:crypto";
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from "@apollo/client/core";
import { CombinedGraphQLErrors } from "@apollo/client/errors";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { createClient, fetchExchange } from "@urql/core";
import { persistedExchange } from "@urql/exchange-persisted";
import { parse, print, type DocumentNode } from "graphql";
import { WhoAmI } from "./operations.js";

type Ask = (query: DocumentNode) => Promise<unknown>;

const [server, kind] = process.argv.slice(2) as [string, "automatic" | "listed"];
const uri = `${server}/graphql`;
const unlisted = parse("query Unlisted { me { id } }");

for (const useGETForHashedQueries of [false, true]) {
  const who = useGETForHashedQueries ? "apollo-get" : "apollo-post";
  const link = new PersistedQueryLink({ generateHash: async (query) => hashOf(query, print(query)), useGETForHashedQueries });
  const client = new ApolloClient({
    link: ApolloLink.from([link, new HttpLink({ uri, fetch: watched(who) })]),
    cache: new InMemoryCache(),
  });
  await askTwice(who, async (query) => {
    try {
      return (await client.query({ query, fetchPolicy: "no-cache" })).data;
    } catch (error) {
      if (CombinedGraphQLErrors.is(error)) return error.errors[0]!.extensions!["code"];
      throw error;
    }
  });
}

const urql = createClient({
  url: uri,
  fetch: watched("urql"),
  exchanges: [persistedExchange({ generateHash: async (text, query) => hashOf(query, text) }), fetchExchange],
});
await askTwice("urql", async (query) => {
  const { data, error } = await urql.query(query, {}, { requestPolicy: "network-only" });
  return error ? (error.graphQLErrors[0]?.extensions["code"] ?? error.message) : data;
});

async function askTwice(who: string, ask: Ask): Promise<void> {
  // With automatic persisted queries each library sends an operation that the server has not seen.
  const query = kind === "listed" ? WhoAmI : parse(`query ${who.replace("-", "_")} { me { id } }`);
  for (let time = 0; time < 2; time += 1) report(who, "answer", { answer: await ask(query) });
  if (kind === "listed") report(who, "unlisted", { answer: await ask(unlisted) });
}

/** The generator's hash, if there is one; otherwise the hash of the text that would be sent. */
function hashOf(query: DocumentNode, text: string): string {
  const meta = (query as { __meta__?: { hash: string } }).__meta__;
  if (kind === "listed" && meta) return meta.hash;
  return createHash("sha256").update(text).digest("hex");
}

/** `fetch` that reports the request bodies. */
function watched(who: string): typeof fetch {
  return (input, init) => {
    const sent = init?.method === "POST" ? Object.keys(JSON.parse(init.body as string)) : keysOf(input as string);
    report(who, "request", { method: init?.method ?? "GET", hasQuery: sent.includes("query") });
    return fetch(input, init);
  };
}

function keysOf(url: string): string[] {
  return [...new URL(url).searchParams.keys()];
}

function report(who: string, step: string, details: object): void {
  process.stdout.write(`${JSON.stringify({ who, step, ...details })}\n`);
}
