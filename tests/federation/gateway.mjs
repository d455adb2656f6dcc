/**
 * A graph of two subgraphs: Taxirank, and one in this process that knows receipts and points.
 *
 * Run by the test as `node gateway.mjs SERVER JSON`. JSON has the receipts, and the questions with the token of who
 * asks each. Prints the hints of the composition and the answers as JSON.
 */
import { composeServices } from "@apollo/composition";
import { ApolloGateway, LocalGraphQLDataSource, RemoteGraphQLDataSource } from "@apollo/gateway";
import { buildSubgraphSchema } from "@apollo/subgraph";
import { parse } from "graphql";

const [server, json] = process.argv.slice(2);
const { receipts, questions } = JSON.parse(json);
const url = `${server}/graphql`;

const typeDefs = parse(`
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.4", import: ["@key", "@shareable"])

  type Query {
    receipts: [Receipt!]!
  }

  type Receipt {
    number: Int!
    trip: Trip
    payer: User
  }

  type Trip @key(fields: "id") {
    id: ID!
    receipt: Receipt
  }

  type User @key(fields: "id") {
    id: ID!
    points: Int!
  }

  type PageInfo @shareable {
    hasNextPage: Boolean!
    hasPreviousPage: Boolean!
    startCursor: String
    endCursor: String
  }
`);
const resolvers = {
  Query: { receipts: () => receipts },
  Receipt: { trip: ({ trip }) => ({ id: trip }), payer: ({ payer }) => ({ id: payer }) },
  Trip: { receipt: ({ id }) => receipts.find(({ trip }) => trip === id) ?? null },
  User: { points: () => 7 },
};

/** Taxirank, with the token of whoever asks the gateway; counts what is sent. */
class Taxirank extends RemoteGraphQLDataSource {
  willSendRequest({ request, context }) {
    if (context?.token) request.http.headers.set("authorization", `Bearer ${context.token}`);
    context?.sent?.push(request.query);
  }
}

// As rover does, and Apollo's router before it.
const introspection = await fetch(url, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ query: "{ _service { sdl } }" }),
});
const { data } = await introspection.json();

const composed = composeServices([
  { name: "taxirank", url, typeDefs: parse(data._service.sdl) },
  { name: "receipts", url: "http://receipts.invalid/graphql", typeDefs },
]);
if (composed.errors) throw new Error(composed.errors.map(({ message }) => message).join("\n"));

const gateway = new ApolloGateway({
  supergraphSdl: composed.supergraphSdl,
  buildService: ({ name, url }) =>
    name === "taxirank"
      ? new Taxirank({ url })
      : new LocalGraphQLDataSource(buildSubgraphSchema([{ typeDefs, resolvers }])),
});
const { executor } = await gateway.load({ apollo: {} });

const answers = [];
for (const { query, variables, token } of questions) {
  const context = { token, sent: [] };
  const answer = await executor({
    request: { query, variables },
    document: parse(query),
    queryHash: query,
    metrics: {},
    context,
  });
  answers.push({ data: answer.data, errors: answer.errors ?? [], sent: context.sent });
}
await gateway.stop();
process.stdout.write(JSON.stringify({ hints: composed.hints.map(({ message }) => message), answers }));
