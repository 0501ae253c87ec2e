/** What backups are measured on: the stack `local` with its store, a database of the wanted size, and WAL segments that wait to be carried. */
import { readFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { backupSpec } from "../../components/backups";
import { archiveFolder, names } from "../../components/names";
import type { Values } from "../../config";
import { openStack } from "../../local/engine/stack";
import { localBackend } from "../../local/engine/workspace";
import type { EmbeddedCluster } from "../../local/kubernetes/cluster";
import { parseSize } from "../../local/legacy/plan";
import { during } from "../../local/progress";
import { localStackConfig, pulumiDirectory } from "../../local/stack-config";
import type { Kubernetes } from "../../migration/engine/kubernetes";
import type { Settings } from "../../migration/engine/settings";
import { migrationSettings } from "../../migration/settings";
import type { ObjectStore } from "../../recovery/bucket";
import { Objects } from "../../recovery/objects";
import { kubectl } from "../kubectl";
import { valuesOf } from "../../local/stack-values";
import { dropPart, makePart, resized, tables, untilWritten } from "./load";
import { compressions, type Configured, type MeasuredWalCompression, walCompressions, type Wanted } from "./plan";

/** WAL segments that are carried; each of the numbers that are carried at once divides it. */
export const segmentCount = 16;

const segmentBytes = 16 * 2 ** 20;

/** How long a backup, and a backlog, may take, in milliseconds. */
const patience = 20 * 60_000;

/** The sidecar believes what it read of the ObjectStore for ten seconds, and counts in whole ones (plugin 0.14, internal/cnpgi/instance/internal/client). In milliseconds. */
const believed = 12_000;

export type Container = "postgres" | "plugin-barman-cloud";

/** The stack `local`, but that an instance may use as many cores as there are, and that a drill counts big tables only: what is measured of it is the restoring. */
export async function stackConfig(cluster: EmbeddedCluster): Promise<Record<string, string>> {
  return {
    ...(await localStackConfig(cluster)),
    // There is no legacy database here.
    migrationEnabled: "false",
    cpuLimit: String(cpus().length),
    drillHashLimit: "200Mi",
  };
}

/** What of it this benchmark varies. */
export function configuredIn(values: Values): Configured {
  return {
    compression: values.backupCompression,
    jobs: values.backupJobs,
    walCompression: values.backupWalCompression,
    walMaxParallel: values.backupWalMaxParallel,
  };
}

/** A base backup in the store. */
interface BaseBackup {
  /** Of the Backup. */
  readonly name: string;
  /** In the store. */
  readonly id: string;
  readonly size: string;
  readonly compression: string;
}

export class Ground {
  readonly settings: Settings;
  private readonly kubernetes: Kubernetes;
  private readonly objects: Objects;
  readonly namespace: string;
  private primary = "";
  /** What the ObjectStore was changed to last, and when. */
  private changed = { to: "", at: 0 };
  private parts: readonly number[] = [];
  private carried: { readonly run: number; readonly segments: readonly string[] } | undefined;
  private newest: BaseBackup | undefined;

  private constructor(
    readonly cluster: EmbeddedCluster,
    readonly values: Values,
  ) {
    this.settings = migrationSettings(values);
    this.objects = new Objects(this.settings);
    this.kubernetes = this.objects.kubernetes;
    this.namespace = values.namespace;
  }

  /** The stack, brought up, with its first base backup. */
  static async make(cluster: EmbeddedCluster): Promise<Ground> {
    const config = await stackConfig(cluster);
    const stateDirectory = pulumiDirectory(cluster);
    const backend = localBackend(stateDirectory);
    const stack = await openStack({ stack: "local", config, stateDirectory, backend });
    await during("pulumi up: stack local", () => stack.up({ color: "never" }));
    const ground = new Ground(cluster, valuesOf("local", config));
    ground.primary = (await ground.kubernetes.presentCluster()).status?.currentPrimary ?? "";
    await during("the first base backup", async () => {
      const scheduled = await ground.until("the schedule's first Backup", async () => {
        const [first] = await ground.kubernetes.backups();
        return first?.metadata.name;
      });
      await ground.completed(scheduled);
    });
    await ground.sql(...tables);
    return ground;
  }

  /** SQL in the application's database, as superuser. */
  async sql(...statements: string[]): Promise<string> {
    return this.kubernetes.controlIn(this.values.databaseName, ...statements);
  }

  async databaseBytes(): Promise<number> {
    return Number(await this.sql("SELECT sum(pg_database_size(oid)) FROM pg_database"));
  }

  /**
   * Runs one of the scripts in a container of the primary.
   *
   * @param server folder of the archive that it works on
   * @returns what it printed
   */
  async script(
    container: Container,
    script: string,
    args: readonly string[] = [],
    environment: Readonly<Record<string, string>> = {},
    server = this.ownServer,
  ): Promise<string> {
    const { destinationPath, endpointURL = "" } = (await this.store()).spec.configuration;
    const files = ["common.sh", script].map((file) => readFile(join(__dirname, "scripts", file), "utf8"));
    const text = (await Promise.all(files)).join("\n");
    const variables = { ENDPOINT: endpointURL, DESTINATION: destinationPath, SERVER: server, ...environment };
    const given = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
    const exec = ["exec", "--stdin", this.primary, "--container", container, "--"];
    const keys = container === "postgres" ? "" : await this.keys();
    return kubectl(this, [...exec, "env", ...given, "bash", "-c", text, script, ...args], keys);
  }

  /** What the kernel says of the sidecar's first process. */
  async sidecarStat(): Promise<string> {
    return kubectl(this, ["exec", this.primary, "--container", "plugin-barman-cloud", "--", "cat", "/proc/1/stat"]);
  }

  /**
   * Which barman the sidecar has, which compressions of base backups it does not know, and by which it cannot archive: Debian's is older than the plugin's own image,
   * and not all of what it compresses with suits it.
   */
  async barman(): Promise<Pick<Wanted, "absent" | "broken"> & { readonly barman: string }> {
    const exec = ["exec", this.primary, "--container", "plugin-barman-cloud", "--", "barman-cloud-backup"];
    const version = await kubectl(this, [...exec, "--version"]);
    const options = await kubectl(this, [...exec, "--help"]);
    return {
      barman: /\d[\d.]*/.exec(version)?.[0] ?? "unknown",
      absent: compressions.filter((compression) => compression !== "none" && !options.includes(`--${compression}`)),
      broken: await this.brokenCompressions(),
    };
  }

  private async brokenCompressions(): Promise<MeasuredWalCompression[]> {
    const [segment = ""] = await this.segments(1);
    const broken: MeasuredWalCompression[] = [];
    for (const compression of walCompressions) {
      await this.archiveByHand(compression, [segment]).catch(() => broken.push(compression));
    }
    return broken;
  }

  /** @returns what the script printed */
  async archiveByHand(compression: MeasuredWalCompression, segments: readonly string[]): Promise<string> {
    const environment = { COMPRESSION: compression === "none" ? "" : compression };
    return this.script("plugin-barman-cloud", "archive-by-hand.sh", segments, environment, this.handServer);
  }

  /** Folder of the stack's archive, and that of what is done by hand: neither comes into the other's way. */
  get ownServer(): string {
    return archiveFolder(this.values);
  }
  readonly handServer = "by-hand";

  /** The store's two keys, a line each, for a command's standard input. */
  private async keys(): Promise<string> {
    const { data = {} } = await this.kubernetes.core.readNamespacedSecret({
      name: names.backupSecret,
      namespace: this.namespace,
    });
    const lines = ["ACCESS_KEY_ID", "ACCESS_SECRET_KEY"].map((key) =>
      Buffer.from(data[key] ?? "", "base64").toString("utf8"),
    );
    return `${lines.join("\n")}\n`;
  }

  private async store(): Promise<ObjectStore> {
    const store = await this.objects.objectStore(names.objectStore);
    if (store === undefined) throw new Error(`there is no ObjectStore ${names.objectStore}`);
    return store;
  }

  /** Changes how the sidecar archives and backs up. It does so a little later: see {@link believes}. */
  async configure(change: Partial<Configured>): Promise<void> {
    const { compression, walCompression, walMaxParallel } = { ...configuredIn(this.values), ...change };
    const named = (name: string) => (name === "none" ? null : name);
    const configuration = {
      wal: { compression: named(walCompression), maxParallel: walMaxParallel },
      data: { compression: named(compression) },
    };
    const patch = JSON.stringify({ spec: { configuration } });
    if (patch === this.changed.to) return;
    await kubectl(this, ["patch", "objectstores.barmancloud.cnpg.io", names.objectStore, "--type=merge", "-p", patch]);
    this.changed = { to: patch, at: Date.now() };
  }

  /** Waits until the sidecar works by the last change. */
  async believes(): Promise<void> {
    await sleep(Math.max(0, this.changed.at + believed - Date.now()));
  }

  /** Waits until no segment waits for the store. */
  async idle(): Promise<void> {
    await this.until("all WAL in the store", async () => {
      const waiting = await this.sql("SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'");
      if (waiting === "0") return true;
      // After failures the archiver rests for a minute; this wakes it.
      await this.sql("SELECT NULL FROM pg_reload_conf()");
      await sleep(1000);
      return undefined;
    });
  }

  /**
   * Segments full of a shop's writes, that have been archived. They are kept until {@link resize}, by a slot that nobody reads; each run has its own, so that what
   * is fetched is what the stack archived by itself.
   */
  async segments(run: number): Promise<readonly string[]> {
    if (this.carried?.run === run) return this.carried.segments;
    await this.release();
    await this.configure({});
    await this.believes();
    const segments = await during(`${segmentCount} segments of WAL`, async () => {
      const said = await this.sql(
        ...tables,
        "SELECT NULL FROM pg_create_physical_replication_slot('bench', true)",
        "SELECT NULL FROM pg_switch_wal()",
        "SELECT pg_walfile_name(pg_logical_emit_message(true, 'bench', 'begin'))",
        untilWritten((segmentCount + 1) * segmentBytes),
        "SELECT NULL FROM pg_switch_wal()",
        "TRUNCATE bench.orders, bench.commits",
        "CHECKPOINT",
      );
      const first = /\b[0-9A-F]{24}\b/.exec(said)?.[0] ?? "";
      await this.idle();
      const found = await this.sql(
        `SELECT left(name, 24) FROM pg_ls_archive_statusdir() WHERE name ~ '^[0-9A-F]{24}\\.done$' AND name >= '${first}' ORDER BY name LIMIT ${segmentCount}`,
      );
      return found.split("\n").map((line) => line.trim());
    });
    if (segments.length !== segmentCount) throw new Error(`there are only ${segments.length} segments of WAL`);
    this.carried = { run, segments };
    return segments;
  }

  /** Lets the segments go. */
  private async release(): Promise<void> {
    this.carried = undefined;
    await this.sql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = 'bench'");
  }

  /** Brings the database to a size, all of it written and in the store, and lets the segments go. */
  async resize(size: string): Promise<void> {
    await this.release();
    const { kept, added } = resized(this.parts, parseSize(size));
    const gone = this.parts.slice(kept).map((_, index) => dropPart(kept + index + 1));
    if (gone.length > 0) await this.sql(...gone);
    this.parts = this.parts.slice(0, kept);
    if (added.length > 0) await this.configure({});
    for (const [index, bytes] of added.entries()) {
      const number = kept + index + 1;
      await during(`${size} of rows, part ${index + 1} of ${added.length}`, () => this.sql(...makePart(number, bytes)));
      this.parts = [...this.parts, bytes];
    }
    if (gone.length + added.length === 0) return;
    await during("checkpoint, and all WAL in the store", async () => {
      await this.sql("CHECKPOINT");
      await this.idle();
    });
  }

  /** Makes a base backup by the plugin, which takes the place of the last one that was made here. @returns it, and the seconds that it took */
  async backup(size: string, compression: string): Promise<{ readonly backup: BaseBackup; readonly seconds: number }> {
    await this.configure({ compression });
    await this.believes();
    const began = Date.now();
    const name = await this.kubernetes.createBackup(backupSpec(this.values.clusterName, this.values.backupTarget));
    const id = await this.completed(name);
    const seconds = (Date.now() - began) / 1000;
    const former = this.newest;
    const backup = { name, id, size, compression };
    this.newest = backup;
    if (former !== undefined) {
      await this.script("plugin-barman-cloud", "delete-backup.sh", [former.id]);
      await kubectl(this, ["delete", "backups.postgresql.cnpg.io", former.name]);
    }
    return { backup, seconds };
  }

  /** The newest base backup, of a database of this size as the stack makes it; one is made where it is another. */
  async restorable(size: string): Promise<BaseBackup> {
    const { compression } = configuredIn(this.values);
    const { newest } = this;
    await this.configure({});
    if (newest?.size === size && newest.compression === compression) return newest;
    return (await during(`a base backup of ${size} to restore`, () => this.backup(size, compression))).backup;
  }

  /** Finishes a segment every few seconds meanwhile, so that nobody waits for archive_timeout. */
  async hurried<Result>(work: () => Promise<Result>): Promise<Result> {
    const over = new AbortController();
    const { signal } = over;
    const finishing = (async () => {
      while (!signal.aborted) {
        await sleep(3000, undefined, { signal }).catch(() => undefined);
        await this.sql("SELECT NULL FROM pg_switch_wal()").catch(() => undefined);
      }
    })();
    try {
      return await work();
    } finally {
      over.abort();
      await finishing;
    }
  }

  /** @returns the id in the store. @throws Error where it failed */
  private async completed(name: string): Promise<string> {
    return this.until(`base backup ${name}`, async () => {
      const { phase, backupId, error } = (await this.objects.backup(name))?.status ?? {};
      if (phase === "failed") throw new Error(`base backup ${name} failed: ${error ?? ""}`);
      return phase === "completed" ? (backupId ?? "") : undefined;
    });
  }

  private async until<Answer>(what: string, question: () => Promise<Answer | undefined>): Promise<Answer> {
    const deadline = Date.now() + patience;
    for (;;) {
      const answer = await question();
      if (answer !== undefined) return answer;
      if (Date.now() > deadline) throw new Error(`${what}: not within ${patience / 60_000} minutes`);
      await sleep(250);
    }
  }
}
