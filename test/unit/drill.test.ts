import { spawnSync } from "node:child_process";
import * as path from "node:path";
import type { V1CronJob } from "@kubernetes/client-node";
import { parse } from "yaml";
import { invocation, refuseWithoutDrills } from "../../drill/main";
import { UsageError } from "../../commands/command";
import {
  cronJobSpec,
  databaseSpec,
  type DrillDescription,
  metricsQueries,
  rights,
  roleSpec,
  scripts,
  throwAwayCluster,
} from "../../drill/manifests";
import { drillNames } from "../../drill/names";
import { describe as describeReport, type DrillReport, exitCode } from "../../drill/report";
import { jobFrom } from "../../drill/run";
import { cnpgSchema } from "../crd-schema";
import { reportFault } from "../../migration/engine/signature";

const drill: DrillDescription = {
  namespace: "naytife",
  cluster: "naytife-postgres",
  database: "naytifedb",
  image: "ghcr.io/cloudnative-pg/postgresql:17",
  schedule: "0 23 * * 0",
  startingDeadlineMinutes: 60,
  deadlineMinutes: 30,
  keepMinutes: 60,
  hashLimit: 1000,
  recoveryTime: 900,
  recoveryPoint: 60,
  memory: "256Mi",
  cpuRequest: "100m",
};

const perl = (script: string, args: string[], input: string, environment: Record<string, string> = {}) => {
  const file = path.join(__dirname, "../../drill/job", script);
  const { status, stdout, stderr } = spawnSync("perl", [file, ...args], {
    input,
    encoding: "utf8",
    env: { PATH: process.env.PATH, ...environment },
  });
  if (status !== 0) throw new Error(stderr);
  return stdout;
};

describe("what runs", () => {
  test("every Sunday in UTC, never two at once, never for ever, and no second time after a failure", () => {
    const spec = cronJobSpec(drill);
    expect(spec).toMatchObject({
      schedule: "0 23 * * 0",
      timeZone: "Etc/UTC",
      concurrencyPolicy: "Forbid",
      startingDeadlineSeconds: 3600,
    });
    expect(spec.jobTemplate.spec).toMatchObject({
      backoffLimit: 0,
      activeDeadlineSeconds: 1800,
      ttlSecondsAfterFinished: 3600,
    });
  });

  test("secrets come by reference", () => {
    const environment = cronJobSpec(drill).jobTemplate.spec.template.spec.containers[0]?.env ?? [];
    const secret = environment.filter(({ name }) => /PASSWORD|KEY/.test(name));
    expect(secret).toHaveLength(3);
    for (const one of secret) {
      expect(one).not.toHaveProperty("value");
      expect(one).toHaveProperty("valueFrom.secretKeyRef");
    }
  });

  test("the migration's own hashes, not a copy of them", () => {
    expect(Object.keys(scripts())).toEqual(
      expect.arrayContaining(["common.sh", "row-hash.sql", "hashes.sql", "amcheck.sql", "drill.sh", "api.pl"]),
    );
    // A name that both had would be one file in the pod.
    expect(new Set(Object.keys(scripts())).size).toBe(Object.keys(scripts()).length);
  });

  test("whatever changes anything is bound to one object's name, and never the database's", () => {
    const changing = rights.filter(({ verbs }) => verbs.some((verb) => !["get", "list", "watch"].includes(verb)));
    expect(changing.map(({ resourceNames }) => resourceNames)).toEqual([[drillNames.copy], [drillNames.report]]);
    expect(drillNames.copy).not.toBe(drill.cluster);
    for (const { resources } of rights) expect(resources).not.toContain("secrets");
  });
});

describe("the throw-away Cluster", () => {
  const source = {
    imageName: "ghcr.io/cloudnative-pg/postgresql:17",
    postgresql: { parameters: { max_connections: "200" }, pg_hba: ["hostnossl all all all reject"] },
    storage: { size: "50Gi", storageClass: "cnpg-oci-storage" },
    resources: { requests: { memory: "2Gi", cpu: "500m" }, limits: { memory: "2Gi", cpu: "1" } },
    probes: { startup: { periodSeconds: 1 }, readiness: { periodSeconds: 2, timeoutSeconds: 2, failureThreshold: 15 } },
  };
  const copy = throwAwayCluster(
    drill,
    source,
    { objectStore: "naytife-postgres-backups", serverName: "naytife-postgres" },
    { database: "naytifedb", owner: "naytife", secret: "cnpg-cluster-secret" },
  );

  test("is one instance of the same kind, and archives nothing", () => {
    expect(copy.spec).toMatchObject({ instances: 1, ...source });
    expect(copy.spec).not.toHaveProperty("plugins");
  });

  test("is restored from the Cluster's archive, and ends before a record of the WAL", () => {
    expect(copy.spec.externalClusters[0]?.plugin.parameters).toEqual({
      barmanObjectName: "naytife-postgres-backups",
      serverName: "naytife-postgres",
    });
    expect(copy.spec.bootstrap.recovery).toMatchObject({
      database: "naytifedb",
      owner: "naytife",
      recoveryTarget: { targetLSN: "@position@", exclusive: true },
    });
  });

  test("is what the operator knows", async () => {
    expect((await cnpgSchema("clusters"))(copy)).toEqual([]);
  });

  test("goes with the drill's pod", () => {
    expect(copy.metadata.ownerReferences).toEqual([{ apiVersion: "v1", kind: "Pod", name: "@pod@", uid: "@uid@" }]);
    // The blanks that job/copy.sh fills in, and no others.
    expect(JSON.stringify(copy).match(/@\w+@/g)).toEqual(["@pod@", "@uid@", "@position@"]);
    for (const blank of ["@pod@", "@uid@", "@position@"]) expect(scripts()["copy.sh"]).toContain(`s|${blank}|`);
  });
});

test.each(["databaseroles", "databases"] as const)(
  "what the operator makes for the drill is what it knows: %s",
  async (plural) => {
    const spec = { databaseroles: roleSpec, databases: databaseSpec }[plural]("naytife-postgres");
    const check = await cnpgSchema(plural);
    expect(check({ apiVersion: "postgresql.cnpg.io/v1", kind: "any", metadata: {}, spec })).toEqual([]);
    // The operator's own exporter stays connected, and it would drop the database without force: a destroy would wait for ever.
    expect(Object.entries(spec)).toEqual(expect.arrayContaining([[expect.stringMatching(/ReclaimPolicy$/), "retain"]]));
  },
);

test("the metrics are what the exporter takes, each with its column", () => {
  const { naytife_drill: query } = parse(metricsQueries()) as {
    naytife_drill: { query: string; primary: boolean; metrics: Record<string, { usage: string }>[] };
  };
  expect(query.primary).toBe(true);
  for (const metric of query.metrics) {
    for (const [name, { usage }] of Object.entries(metric)) {
      expect(usage).toBe("GAUGE");
      expect(query.query).toContain(`AS ${name}`);
    }
  }
  expect(query.metrics.map((metric) => Object.keys(metric)[0])).toEqual(
    expect.arrayContaining(["last_success_timestamp_seconds", "rto_seconds", "rpo_seconds", "result"]),
  );
});

describe("the log of a recovery", () => {
  const line = (ts: string, message: string, severity = "LOG") =>
    JSON.stringify({ level: "info", ts, msg: "record", record: { error_severity: severity, message } });
  const log = [
    JSON.stringify({ level: "info", ts: "2026-11-21T22:00:00.5Z", msg: "Restore through plugin detected" }),
    "not JSON",
    line("2026-11-21T22:00:10.75Z", "database system was interrupted; last known up at 2026-11-21 21:00:00 UTC"),
    line("2026-11-21T22:00:10.9Z", 'starting point-in-time recovery to WAL location (LSN) "0/73D7C60"'),
    line("2026-11-21T22:00:11Z", 'restored log file "000000010000000000000006" from archive'),
    line("2026-11-21T22:00:11.1Z", "redo starts at 0/6000028"),
    line("2026-11-21T22:00:12Z", 'restored log file "000000010000000000000007" from archive'),
    line("2026-11-21T22:00:12.25Z", "redo done at 0/73D7C60 system usage: CPU: user: 0.01 s"),
  ];
  const ofBarman = [
    JSON.stringify({ level: "info", ts: "2026-11-21T22:00:01Z", msg: "Recovering from external cluster" }),
    JSON.stringify({ level: "info", ts: "2026-11-21T22:00:03Z", msg: "Starting barman-cloud-restore" }),
    JSON.stringify({ level: "info", ts: "2026-11-21T22:00:09.25Z", msg: "Restore completed" }),
  ];

  test("says what took how long", () => {
    expect(JSON.parse(perl("recovery-log.pl", ["times"], [...log, ...ofBarman].join("\n")))).toEqual({
      fetchSeconds: 6.25,
      replaySeconds: 1.5,
      walBytes: 0x73d7c60 - 0x6000028,
      walSegments: 2,
    });
  });

  test("says nothing that it does not hold", () => {
    expect(JSON.parse(perl("recovery-log.pl", ["times"], ""))).toEqual({
      fetchSeconds: null,
      replaySeconds: null,
      walBytes: null,
      walSegments: 0,
    });
    expect(perl("recovery-log.pl", ["reason"], log.join("\n"))).toBe("");
  });

  test("says why it failed", () => {
    const failed = [
      ...log.slice(0, 5),
      line("2026-11-21T22:00:12Z", "could not locate required checkpoint record", "FATAL"),
    ];
    expect(perl("recovery-log.pl", ["reason"], failed.join("\n"))).toBe(
      "could not locate required checkpoint record\n",
    );
  });
});

test("a report is signed as the command checks it, whatever letters are in it", () => {
  const key = "0123456789".repeat(7).slice(0, 64);
  const text = '{"drill":"d","reason":"Tabelle \\"Übergröße\\" – größer, 表"}';
  const made = JSON.parse(perl("report.pl", [], `${text}\n`, { SIGNING_KEY: key, REPORT: "r", NAMESPACE: "n" })) as {
    data: Record<string, string>;
  };
  expect(made.data["report.json"]).toBe(text);
  const signed = {
    text,
    sha256: made.data["report.json.sha256"]!,
    signature: made.data["report.json.hmac-sha256"]!,
  };
  expect(reportFault(signed, key)).toBeUndefined();
  expect(reportFault({ ...signed, text: text.replace("d", "e") }, key)).toMatch(/changed/);
});

describe("the report", () => {
  const passed: DrillReport = {
    drill: "d",
    cluster: "naytife-postgres",
    database: "naytifedb",
    finished: "2026-11-21T22:10:00Z",
    passed: true,
    reason: null,
    recoveryTime: { seconds: 40.5, promised: 900, held: true },
    recoveryPoint: { seconds: 30.2, promised: 60, held: true, archiveTimeout: 45 },
    restore: {
      fetchSeconds: 20,
      replaySeconds: 2,
      walBytes: 32_000_000,
      walSegments: 2,
      fixedSeconds: 18.5,
      databaseBytes: 1_000_000_000,
      bytesPerSecond: 50_000_000,
      largestDatabaseBytes: 43_975_000_000,
    },
    compared: {
      tables: 60,
      rows: 1000,
      countedOnly: ["shop.big"],
      unlogged: [],
      sequences: 12,
      largeObjects: { objects: 3, bytes: 5000, countedOnly: true },
    },
  };

  test("that passed", () => {
    expect(exitCode(passed)).toBe(0);
    const text = describeReport(passed);
    expect(text).toMatch(/^PASSED/);
    expect(text).toMatch(/largest +44.0 GB would be back within 15 min/);
    expect(text).toContain(
      "60 tables, 1000 rows, 12 sequences, 3 large objects (5.0 kB); only counted: shop.big, large objects\n",
    );
    expect(text).not.toContain("NOT HELD");
  });

  test.each([
    [{ recoveryTime: { seconds: 901, promised: 900, held: false } }],
    [{ recoveryPoint: { seconds: 61, promised: 60, held: false, archiveTimeout: 45 } }],
  ])("with a promise that was not held: %j", (late) => {
    expect(exitCode({ ...passed, ...late })).toBe(2);
    expect(describeReport({ ...passed, ...late })).toContain("NOT HELD");
  });

  test("of a database too small to tell the storage's rate", () => {
    const small = { ...passed, restore: { ...passed.restore!, fetchSeconds: 2 } };
    expect(describeReport(small)).toMatch(/at least 44.0 GB/);
  });

  test("that failed, with no more known than why", () => {
    const { drill: id, cluster, database, finished } = passed;
    const failed: DrillReport = { drill: id, cluster, database, finished, passed: false, reason: "no primary" };
    expect(exitCode(failed)).toBe(1);
    expect(describeReport(failed)).toBe("FAILED: no primary\n");
  });
});

describe("npm run drill", () => {
  test("makes the Job that the CronJob's clock would make, and Kubernetes knows whose it is", () => {
    const cronJob: V1CronJob = { metadata: { name: drillNames.drill, uid: "u" }, spec: cronJobSpec(drill) };
    const job = jobFrom(cronJob, new Date("2026-11-21T22:03:10.123Z"));
    expect(job.spec).toEqual(cronJob.spec?.jobTemplate.spec);
    expect(job.metadata).toMatchObject({
      name: `${drillNames.drill}-20261121t220310z`,
      ownerReferences: [{ kind: "CronJob", name: drillNames.drill, uid: "u" }],
    });
    expect(job.metadata?.name?.length).toBeLessThanOrEqual(63);
  });

  test("is refused where the stack has no backups or no drill, with what to set", () => {
    expect(() => {
      refuseWithoutDrills("staging", { backupStore: "oci", drill: true });
    }).not.toThrow();
    expect(() => {
      refuseWithoutDrills("staging", { backupStore: "none", drill: true });
    }).toThrow(/no backups.*\n.*Untouched.*\n.*Next: Give it a store/);
    expect(() => {
      refuseWithoutDrills("staging", { backupStore: "oci", drill: false });
    }).toThrow(/`pulumi config set drill true --stack staging`/);
  });

  test("reads its command line", () => {
    expect(invocation(["--stack", "staging", "--json", "--config", "drill=true"])).toEqual({
      stack: { stack: "staging", name: "local", config: { drill: "true" } },
      json: true,
    });
    expect(invocation(["--help"])).toBeUndefined();
    expect(() => invocation(["now"])).toThrow(UsageError);
    expect(() => invocation(["--config", "drill"])).toThrow(UsageError);
  });
});
