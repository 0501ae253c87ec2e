import { cnpgSchema, type SchemaCheck } from "../crd-schema";

let check: SchemaCheck;
beforeAll(async () => {
  check = await cnpgSchema("clusters");
});

const cluster = (spec: object): object => ({
  apiVersion: "postgresql.cnpg.io/v1",
  kind: "Cluster",
  metadata: { name: "x" },
  spec: { instances: 1, ...spec },
});

test("a cluster of known fields passes", () => {
  expect(check(cluster({ storage: { size: "1Gi", storageClass: "x" } }))).toEqual([]);
});

test.each([
  ["a misspelt field", { storage: { size: "1Gi", storageClas: "x" } }, "storageClas"],
  ["the plan's monitoring.enabled", { monitoring: { enabled: true } }, "enabled"],
  ["a misspelt field deep inside", { affinity: { nodeAffinity: { preferredDuring: [] } } }, "preferredDuring"],
  ["a misspelt field in a list", { managed: { roles: [{ name: "x", logon: true }] } }, "logon"],
  ["a number for a parameter", { postgresql: { parameters: { max_connections: 200 } } }, "max_connections"],
  ["a word that the field does not take", { postgresql: { synchronous: { method: "some", number: 1 } } }, "method"],
  ["what is too few", { instances: 0 }, "instances"],
])("%s fails", (_, spec, named) => {
  expect(check(cluster(spec)).join("\n")).toContain(named);
});
