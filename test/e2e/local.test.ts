/** The newcomer's commands as programs: from nothing to a URL that answers, again, killed half-way, and told wrong things; and a drill of what came of it. */
import { spawn } from "node:child_process";
import { resolve } from "node:path";
import { down, up, type EmbeddedCluster } from "../../local/kubernetes/cluster";
import { localStackConfig } from "../../local/stack-config";
import { clusterName } from "./cluster";
import { kubectl } from "./kubectl";

const checkout = resolve(__dirname, "../..");
const name = clusterName("newcomer");
const minutes = 60_000;
jest.setTimeout(10 * minutes);

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `npm run SCRIPT`; `killAt` ends it and all that it started with SIGKILL as soon as its progress shows that text. */
function npmRun(script: string, args: readonly string[], killAt?: string): Promise<Ended> {
  const child = spawn("npm", ["run", "--silent", script, "--", ...args], {
    cwd: checkout,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    if (killAt !== undefined && stderr.includes(killAt) && child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  });
  return new Promise((settle) =>
    child.on("close", (code) => {
      settle({ code, stdout, stderr });
    }),
  );
}

const npmRunLocal = (args: readonly string[], killAt?: string) => npmRun("local", args, killAt);

const output = (ended: Ended, key: string) => new RegExp(`^${key} = (.*)$`, "m").exec(ended.stdout)?.[1];

let cluster: EmbeddedCluster;

afterAll(() => down({ name }));

test(
  "killed in the middle of the migration, the next run finishes, and the URL that it prints answers",
  async () => {
    const killed = await npmRunLocal(["--name", name, "--size", "10MB"], "[migration] copy");
    expect(killed.code).toBeNull();
    const ended = await npmRunLocal(["--name", name, "--size", "10MB"]);
    expect(ended.stderr).not.toContain("did not finish");
    expect(ended.code).toBe(0);
    expect(output(ended, "migration")).toMatch(/^\d+ tables and \d+ rows, equal on both sides/);
    expect(output(ended, "backupDestination")).toBe("s3://naytife-postgres-backups/local");
    // The data counts as safe when there is one.
    expect(output(ended, "last backup")).toMatch(/^\d{4}-\d\d-\d\dT.*, any time from .* on can be restored/);
    cluster = await up({ name });
    const url = output(ended, "DATABASE_URL")!;
    const answer = await kubectl(
      cluster,
      [
        "-n",
        "naytife",
        "exec",
        "-i",
        "naytife-postgres-1",
        "-c",
        "postgres",
        "--",
        "bash",
        "-c",
        'read -r url; psql -XAtq "$url"',
      ],
      `${url}\nSELECT count(*) > 0 FROM orders;\n`,
    );
    expect(answer.trim()).toBe("t");
  },
  15 * minutes,
);

test("run again, it changes nothing", async () => {
  const ended = await npmRunLocal(["--name", name, "--size", "10MB"]);
  expect(ended.code).toBe(0);
  expect(ended.stderr).toMatch(/Resources:\n\s+\d+ unchanged\n/);
});

// What is restored here came through the migration: its owners, its grants, and a database where PUBLIC may not connect.
test("a drill of the migrated database holds", async () => {
  const ended = await npmRun("drill", ["--name", name, "--json"]);
  expect(ended.stderr).toContain("[drill]");
  expect(JSON.parse(ended.stdout)).toMatchObject({ passed: true });
  expect(ended.code).toBe(0);
});

test("with --context it runs on a cluster that is there, makes no legacy database, and keeps the URL to itself", async () => {
  await kubectl(cluster, ["-n", "naytife", "delete", "deployment", "postgres", "--wait=true"]);
  const settings = Object.entries(await localStackConfig(cluster)).filter(([key]) => !key.startsWith("kube"));
  const ended = await npmRunLocal([
    ...["--context", cluster.context, "--kubeconfig", cluster.kubeconfig],
    ...settings.flatMap(([key, value]) => ["--config", `${key}=${value}`]),
  ]);
  expect(ended.stderr).toContain("there is no Deployment naytife/postgres, so nothing is migrated");
  expect(ended.code).toBe(0);
  expect(output(ended, "DATABASE_URL")).toBe("[secret]");
  const there = await kubectl(cluster, ["-n", "naytife", "get", "deployment", "-o", "name"]);
  expect(there).not.toContain("deployment.apps/postgres\n");
});

test("told what cannot be, it says what is allowed", async () => {
  const told: [args: string[], answer: RegExp][] = [
    [["--context", "nowhere"], /no context "nowhere"; it has: .*Nothing was changed/],
    [["--name", name, "--size", "much"], /much/],
    [["--name", name, "--nodes", "three"], /--nodes is "three"; allowed/],
    [["--config", "memory"], /allowed: KEY=VALUE/],
    // Values that the stack refuses, all of them at once.
    [
      ["--name", name, "--size", "10MB", "--config", "memory=lots", "--config", "instances=0"],
      /instances is "0"; allowed[\s\S]*memory is "lots"; allowed/,
    ],
  ];
  await Promise.all(
    told.map(async ([args, answer]) => {
      const ended = await npmRunLocal(args);
      expect(ended.stderr).toMatch(answer);
      expect(ended.code).toBe(1);
    }),
  );
});
