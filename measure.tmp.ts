// Time from the start to safe, both ways, one embedded cluster: the Cluster in its full size from the beginning, and grown after.
import { execFileSync } from "node:child_process";
import { rmSync, mkdtempSync } from "node:fs";
import { pathToFileURL } from "node:url";
import type { EngineEvent } from "@pulumi/pulumi/automation";
import { openStack } from "./local/engine/stack";
import { down, up } from "./local/kubernetes/cluster";
import { bringUpLegacy } from "./local/legacy/legacy";
import { localStackConfig } from "./local/stack-config";
import { tool } from "./local/toolchain/toolchain";

const full = { instances: "3", synchronousReplicas: "1", dataDurability: "required" };
const size = (process.argv[2] ?? "100MB") as "100MB";
const rounds = Number(process.argv[3] ?? 2);
async function main() {
  await down({ name: "dev-g" });
  const cluster = await up({ name: "dev-g" });
  const kubectl = await tool("kubectl");
  const k = (...a: string[]) => execFileSync(kubectl, ["--kubeconfig", cluster.kubeconfig, "-n", "naytife", ...a], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
  await bringUpLegacy({ ...cluster, namespace: "naytife", size, seed: 7, image: cluster.legacyImage });
  const scratch = mkdtempSync("/tmp/naytife-measure-");
  const base = { ...(await localStackConfig(cluster)), ...full };
  const open = async (backend: string, config: Record<string, string> = {}) => openStack({ stack: "local", stateDirectory: scratch, backend: pathToFileURL(`${scratch}/${backend}`).href, config: { ...base, ...config } });
  const timed = async (stack: Awaited<ReturnType<typeof open>>) => {
    const began = new Map<string, number>(); const took: Record<string, number> = {};
    const onEvent = (e: EngineEvent) => {
      const pre = e.resourcePreEvent?.metadata, post = e.resOutputsEvent?.metadata;
      if (pre && pre.op !== "same") began.set(pre.urn, Date.now());
      if (post && began.has(post.urn)) took[post.urn.split("::").at(-1)!] = (Date.now() - began.get(post.urn)!) / 1000;
    };
    const t = Date.now();
    await stack.up({ onEvent, onOutput: () => undefined, color: "never" });
    return { all: (Date.now() - t) / 1000, ...Object.fromEntries(Object.entries(took).filter(([n]) => /^(naytife-postgres|naytife-postgres-size|migration-engine|growth-settled.*)$/.test(n))) };
  };
  const psql = (db: string, sql: string) => k("exec", "deploy/postgres", "--", "psql", "-XAtq", "-U", "naytife", "-d", db, "-c", sql);
  const target = (sql: string) => k("exec", k("get", "cluster.postgresql.cnpg.io", "naytife-postgres", "-o", "jsonpath={.status.currentPrimary}"), "-c", "postgres", "--", "psql", "-XAtq", "-d", "postgres", "-c", sql);
  const phases = () => target("SELECT string_agg(phase || ' ' || round(extract(epoch FROM finished - started), 1), ', ' ORDER BY started) || '; start to marker ' || (SELECT round(extract(epoch FROM completed), 1) FROM naytife_migration.marker) - round(extract(epoch FROM min(started)), 1) FROM naytife_migration.phase");
  const clean = async (stack: Awaited<ReturnType<typeof open>>) => {
    await stack.destroy({ onOutput: () => undefined, color: "never" });
    for (const sql of ["ALTER DATABASE naytifedb WITH ALLOW_CONNECTIONS true", "ALTER DATABASE naytifedb RESET default_transaction_read_only"]) psql("template1", sql);
    k("delete", "pvc", "naytife-postgres-migration-dump", "--ignore-not-found", "--wait=true");
  };
  // The operator is there already in what is compared.
  for (let round = 1; round <= rounds; round++) {
    const b = await open(`b${round}`, { migrationEnabled: "false" });
    const first = await timed(b);
    const b2 = await open(`b${round}`);
    const second = await timed(b2);
    console.log(`round ${round} full from the beginning:`, JSON.stringify(first), JSON.stringify(second), phases());
    await clean(b2);
    const a = await open(`a${round}`);
    const one = await timed(a);
    console.log(`round ${round} grown after:`, JSON.stringify(one), phases(), target("SELECT time_to_safe FROM naytife_migration.marker"));
    await clean(a);
  }
  rmSync(scratch, { recursive: true, force: true });
  await down({ name: "dev-g" });
}
main().catch((e) => { console.error(e); process.exitCode = 1; });
