// One project a layer: `npm test` runs those that need no cluster, `npm run test:e2e` the one that does, `npm run test:night` what is too long for each change.
const layer = (name, extra = {}) => ({
  displayName: name,
  rootDir: __dirname,
  testMatch: [`<rootDir>/test/${name}/**/*.test.ts`],
  transform: { "\\.[jt]s$": "@swc/jest" },
  // The Kubernetes client ships ES modules only; jest's module system needs them as CommonJS.
  transformIgnorePatterns: ["/node_modules/(?!(@kubernetes/client-node|openid-client|oauth4webapi|jose)/)"],
  ...extra,
});

const readsOperatorModule = { globalSetup: "<rootDir>/test/operator-module.setup.ts" };
const onClusters = {
  globalSetup: "<rootDir>/test/e2e/setup.ts",
  globalTeardown: "<rootDir>/test/e2e/teardown.ts",
};

module.exports = {
  // Ends what hangs; a loaded machine does not come near it. Jest takes it from here alone, not from a project.
  testTimeout: 120_000,
  projects: [
    layer("unit", readsOperatorModule),
    layer("property"),
    layer("stacks", readsOperatorModule),
    layer("rules", { globalSetup: "<rootDir>/test/rules.setup.ts" }),
    layer("engine", { globalSetup: "<rootDir>/test/engine/setup.ts" }),
    layer("e2e", onClusters),
    layer("night", onClusters),
  ],
};
