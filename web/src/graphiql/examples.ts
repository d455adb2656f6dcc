/**
 * The tabs of a first visit, one for each pair of files in `examples/`, in the order of their names.
 *
 * They are files of their own so that the tests can check each against the schema. GraphiQL keeps the tabs in the
 * browser, and shows these again after “Clear data” in its settings.
 */
const operations = import.meta.glob<string>("./examples/*.graphql", {
  query: "?raw",
  import: "default",
  eager: true,
});
const variables = import.meta.glob<string>("./examples/*.json", {
  query: "?raw",
  import: "default",
  eager: true,
});

export const examples = Object.keys(operations)
  .sort()
  .map((path) => ({
    // Commands in the comments go to the server that the page came from.
    query: operations[path]!.replaceAll("http://localhost:8000", location.origin),
    variables: variables[path.replace(".graphql", ".json")] ?? null,
  }));
