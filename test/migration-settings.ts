import type { Settings } from "../migration/engine/settings";

/** A migration's settings as a stack has them that leaves the names at their defaults; a test says what is otherwise. */
export const exampleSettings: Settings = {
  kubeconfig: "",
  context: "",
  namespace: "naytife",
  source: {
    host: "postgres",
    port: 5432,
    database: "naytifedb",
    user: "naytife",
    secretName: "postgres-secret",
    secretKey: "POSTGRES_PASSWORD",
  },
  target: {
    cluster: "naytife-postgres",
    database: "naytifedb",
    owner: "naytife",
    secretName: "cnpg-cluster-secret",
    searchPath: [],
  },
  image: "",
  jobs: 1,
  dump: { size: "1Gi", storageClass: "" },
  retainDays: 7,
};
