import type { V1Service } from "@kubernetes/client-node";
import { standing } from "../../migration/commands/legacy";
import { keptService, obstacle, turn, turned } from "../../migration/engine/alias";
import { job } from "../../migration/engine/manifests";
import type { Settings } from "../../migration/engine/settings";
import { validate } from "../../config";
import { project, stackConfiguration } from "../../local/stack-files";
import { migrationSettings } from "../../migration/settings";
import { exampleSettings as settings } from "../migration-settings";

const old = (): V1Service => ({
  metadata: { name: "postgres" },
  spec: {
    type: "ClusterIP",
    clusterIP: "10.0.0.7",
    selector: { app: "postgres", tier: "legacy" },
    ports: [
      { name: "metrics", port: 9187, targetPort: 9187 },
      { name: "postgres", port: 5432, protocol: "TCP", targetPort: "postgres", nodePort: 30_432 },
    ],
  },
});

/** The few operations that are used, as the API server does them. */
function patched(service: V1Service, operations: ReturnType<typeof turn>): V1Service {
  const copy = structuredClone(service);
  for (const { op, path, value } of operations) {
    const keys = path.split("/").slice(1);
    const last = keys.pop() ?? "";
    const parent = keys.reduce<Record<string, unknown>>(
      (object, key) => object[key] as Record<string, unknown>,
      copy as unknown as Record<string, unknown>,
    );
    if (op === "test") expect(parent[last]).toEqual(value);
    else parent[last] = value;
  }
  return copy;
}

test("turned to the pooler and back, a Service is what it was", () => {
  const service = old();
  const kept = keptService(service, settings);
  const away = patched(service, turn(service, settings));
  expect(turned(service)).toBe(false);
  expect(turned(away)).toBe(true);
  expect(away.spec?.ports).toEqual([
    { name: "metrics", port: 9187, targetPort: 9187 },
    { name: "postgres", port: 5432, protocol: "TCP", targetPort: "pgbouncer", nodePort: 30_432 },
  ]);
  expect(patched(away, turn(away, settings, kept))).toEqual(service);
});

test("the pooler behind an alias is not taken for what is left of the old database", () => {
  const labels = { "cnpg.io/poolerName": "naytife-postgres-pooler" };
  const pooler = {
    metadata: { name: "naytife-postgres-pooler" },
    spec: { selector: {}, template: { metadata: { labels } } },
  };
  const away = patched(old(), turn(old(), settings));
  expect(standing(away, [pooler])).toEqual({ service: undefined, deployments: [], volumeClaims: [] });
});

test("nothing of the old selector is left while a Service is turned", () => {
  expect(patched(old(), turn(old(), settings)).spec?.selector).toEqual({
    "cnpg.io/poolerName": "naytife-postgres-pooler",
  });
});

test("the second Service leads where the first did, whatever a probe says, and takes no port of the nodes", () => {
  const kept = keptService(old(), settings);
  expect(kept.metadata?.name).toBe("naytife-postgres-migration-source");
  expect(kept.spec).toEqual({
    selector: { app: "postgres", tier: "legacy" },
    ports: [
      { name: "metrics", port: 9187, targetPort: 9187 },
      { name: "postgres", port: 5432, protocol: "TCP", targetPort: "postgres" },
    ],
    publishNotReadyAddresses: true,
  });
});

test.each([
  ["none", undefined, "there is no Service postgres in namespace naytife"],
  ["of another kind", { type: "ExternalName", externalName: "db.example" }, "selects no pods"],
  ["without a selector", { ports: [{ port: 5432 }] }, "selects no pods"],
  ["headless", { clusterIP: "None", selector: { app: "postgres" } }, "is headless"],
  ["of another port", { selector: { app: "postgres" }, ports: [{ port: 6432 }] }, "has no port 5432"],
])("what cannot be an alias is said: a Service %s", (_, spec, words) => {
  expect(obstacle(spec === undefined ? undefined : { spec }, settings)).toContain(words);
  expect(obstacle(old(), settings)).toBeUndefined();
});

test("the engine is told of it only where the stack wants it", () => {
  const of = (overrides: Record<string, string>) => {
    const texts = stackConfiguration("local", overrides);
    return migrationSettings(
      validate(
        project.name,
        (key) => texts[`${project.name}:${key}`],
        () => true,
      ),
    ).alias;
  };
  expect(of({})).toBeUndefined();
  expect(of({ migrationAlias: "true", migrationHoldSeconds: "7" })).toEqual({ holdSeconds: 7 });
});

test("the Job is told of the old name only where clients are to be held", () => {
  const run = {
    id: "run",
    mode: "migrate",
    image: "postgresql:17",
    dumpVolume: true,
    targetFree: 5,
    targetMemory: 0,
    targetMillicores: 0,
    sourceHost: "naytife-postgres-migration-source",
  } as const;
  const environment = (wanted: Settings, alias: boolean) =>
    Object.fromEntries(
      (job(wanted, { ...run, alias }).spec?.template.spec?.containers[0]?.env ?? []).map(({ name, value }) => [
        name,
        value,
      ]),
    );
  const wanted = { ...settings, alias: { holdSeconds: 30 } };
  expect(environment(wanted, true)).toMatchObject({
    ALIAS: "postgres",
    HOLD_SECONDS: "30",
    SOURCE_HOST: "naytife-postgres-migration-source",
  });
  expect(environment(wanted, false)).not.toHaveProperty("ALIAS");
  expect(environment(settings, true)).not.toHaveProperty("ALIAS");
});
