import { randomBytes, randomUUID } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ApiException, type V1Job, type V1PersistentVolumeClaim, type V1Pod } from "@kubernetes/client-node";
import type { MigrationReport } from "../migration";
import { foreseeAlias } from "./alias";
import { pointToSource } from "./connection-secret";
import { type MigrationEvent, Narrator, parseEvent } from "./events";
import { MigrationFailure, nothingChanged } from "./failure";
import { Hold } from "./hold";
import { found, Kubernetes, patiently, waitingFor } from "./kubernetes";
import {
  backup,
  configMap,
  describeMode,
  dumpVolumeClaim,
  holdsLabel,
  job as jobManifest,
  type Mode,
  modeLabel,
  modes,
  objectNames,
  reportConfigMap,
  secret,
  signingSecret,
  temporaryRole,
  temporaryRoleHours,
} from "./manifests";
import { donePlan, type Plan, planOf } from "./plan";
import { contradiction, readRecord, recordSchema, type RollbackReport, type Side } from "./record";
import { quantity } from "../../postgresql/quantity";
import { renderReport } from "./report";
import { scramVerifier } from "./scram";
import { bytesOf, literal, type Settings } from "./settings";
import { signingKey, type StoredReport, storedReport } from "./stored-report";
import type { Say } from "./terminal";

/** How often the Job is looked at, in milliseconds. */
const pause = 1000;

/** How long a Job that nobody lets go may stay suspended before another engine takes it over, in milliseconds. */
const abandoned = 60_000;

/** What the operator calls a Cluster that has all that it should have. */
const healthy = "Cluster in healthy state";

/** How long the Job's pod may take to start, in milliseconds: an image pull and a volume. */
const startLimit = 15 * 60_000;

/** Does what is left of the migration and returns its report; on a finished target it changes nothing and returns the report that is stored there. */
export class Engine {
  private readonly kubernetes: Kubernetes;
  private readonly names: ReturnType<typeof objectNames>;
  private readonly narrator = new Narrator();
  private readonly hold: Hold;

  /** @param say receives a line of progress. */
  constructor(
    private readonly settings: Settings,
    private readonly say: Say,
  ) {
    this.kubernetes = new Kubernetes(settings);
    this.names = objectNames(settings);
    this.hold = new Hold(this.kubernetes, settings, say);
  }

  /**
   * @param active what the stack takes for the database in use
   * @throws MigrationFailure with what happened, what was left untouched and what to do next
   */
  async migrate(active: Side): Promise<string> {
    await this.kubernetes.presentCluster();
    const record = await readRecord(this.kubernetes, this.settings.target.database);
    const refusal = contradiction(record, active);
    if (refusal !== undefined) throw refusal;
    const stored = await this.storedReport();
    if (stored !== undefined) {
      const back = record.marker?.rolled_back;
      this.say(
        back == null
          ? `already done; ${this.settings.target.database} is left as it is`
          : `rolled back at ${back}; both databases are left as they are`,
      );
      await this.settleName();
      await this.conclude(stored);
      return stored.text;
    }
    // Not before: of a finished migration nothing of the old database need be left.
    await this.presentPasswords();
    const failure = await this.runJob("migrate");
    let report;
    try {
      report = await this.storedReport();
    } catch (error) {
      // What the Job itself said comes first.
      throw failure ?? error;
    }
    if (report === undefined) {
      await this.tidy();
      throw (
        failure ??
        new MigrationFailure(
          "the Job ended without an error and without the marker of a finished migration",
          "The application's database of the target is as it was.",
          "Run `pulumi up` again: it does what is left.",
        )
      );
    }
    await this.conclude(report);
    return report.text;
  }

  /** Compares the source with the target's database as it is, and changes neither. @throws MigrationFailure that names what differs. */
  async verify(): Promise<void> {
    await this.kubernetes.presentCluster();
    await this.presentPasswords();
    const failure = await this.runJob("verify");
    await this.tidy();
    if (failure !== undefined) {
      throw failure;
    }
  }

  /** Looks at both sides as a migration would, and changes neither. @throws MigrationFailure where it could not look. */
  async plan(): Promise<Plan> {
    await this.kubernetes.presentCluster();
    if ((await this.storedReport()) !== undefined) {
      const { database } = this.settings.target;
      return donePlan(database, (await readRecord(this.kubernetes, database)).marker?.rolled_back);
    }
    await this.presentPasswords();
    const heard = await this.lookAround();
    const failure = await this.runJob("plan", (event) => heard.push(event));
    await this.tidy();
    if (failure !== undefined) {
      throw failure;
    }
    return planOf(heard);
  }

  /** Takes away what a plan that is under way has made. */
  async abandonPlan(): Promise<void> {
    this.say("interrupted; what the plan has made is taken away");
    const job = await this.job();
    if (job?.metadata?.labels?.[modeLabel] !== "plan") return;
    await this.deleteJob();
    await this.tidy();
  }

  /** What the Job cannot see: the Cluster's health, and a dump that is kept where the next one would go. */
  private async lookAround(): Promise<MigrationEvent[]> {
    const finding = (severity: "blocker" | "warning", text: string, next: string): MigrationEvent => ({
      phase: "plan",
      event: "finding",
      severity,
      text,
      next,
    });
    const { namespace, target } = this.settings;
    const health = (await this.kubernetes.cluster())?.status?.phase ?? "not known";
    const kept = this.keptDump(await this.dumpClaim());
    const noAlias = this.settings.alias === undefined ? undefined : await foreseeAlias(this.kubernetes, this.settings);
    return [
      ...(health === healthy
        ? []
        : [
            finding(
              "warning",
              `Cluster ${target.cluster} is not healthy: ${health}`,
              `kubectl -n ${namespace} get cluster.postgresql.cnpg.io ${target.cluster}`,
            ),
          ]),
      ...(kept === undefined ? [] : [finding("blocker", kept.what, kept.next)]),
      ...(noAlias === undefined
        ? []
        : [finding("blocker", noAlias, "Mend the Service, or set migrationAlias to false.")]),
    ];
  }

  /**
   * The way back: what was written to the target since the cut-over is carried into the source, verified, and the source is the database again.
   * Returns the report of it. Repeated, it finishes what is left, or changes nothing.
   *
   * @throws MigrationFailure; unless it says otherwise, the target is then still the database, and open
   */
  async rollback(): Promise<RollbackReport> {
    await this.kubernetes.presentCluster();
    // Says so if it is not what was signed: the Job tells by its hashes whether the old database is as it was left.
    if ((await this.storedReport()) === undefined) {
      throw new MigrationFailure(
        "there is no finished migration, so there is nothing to go back from",
        nothingChanged,
        "The old database is the database already.",
      );
    }
    const ended = (await readRecord(this.kubernetes, this.settings.target.database)).marker?.retain_ended;
    if (ended != null) {
      throw new MigrationFailure(
        `the way back was ended at ${ended} by \`npm run migration -- finish\``,
        nothingChanged,
        'The new database is the database. docs/migration.md, "Letting the source go", opens what is left of the old one, as it was at the cut-over.',
      );
    }
    await this.presentPasswords();
    const failure = await this.runJob("rollback");
    await this.tidy();
    if (failure !== undefined) throw failure;
    const report = (await readRecord(this.kubernetes, this.settings.target.database)).marker?.rollback;
    if (report == null) throw new Error("the Job ended without an error and without a word of it in the marker");
    if (!(await pointToSource(this.kubernetes, this.settings))) {
      this.say("there is no Secret for applications that could name the old database");
    }
    return report;
  }

  /** Runs the Job to its end, or attaches to the one that runs; `hear` gets each of its events. Returns its failure. */
  private async runJob(
    mode: Mode,
    hear: (event: MigrationEvent) => void = () => undefined,
  ): Promise<MigrationFailure | undefined> {
    const { namespace } = this.settings;
    for (;;) {
      const existing = await this.job();
      if (existing === undefined) {
        // What a run that was killed left is finished or undone first.
        if (mode !== "plan" && mode !== "verify") await this.hold.settle();
        if (mode === "migrate") await this.hold.prepare();
        const kept = await this.hold.source();
        const run = {
          id: randomUUID(),
          mode,
          image: await this.image(),
          dumpVolume: await this.prepareVolume(mode),
          targetFree: await this.targetFree(),
          ...(await this.targetLimits()),
          sourceHost: kept ?? (await this.sourceHost()),
          // Where the name leads to the source already, a rollback has nothing to turn.
          alias: mode === "migrate" || mode === "plan" || (mode === "rollback" && kept !== undefined),
        };
        try {
          await this.kubernetes.batch.createNamespacedJob({ namespace, body: jobManifest(this.settings, run) });
        } catch (error) {
          // Another engine was faster: its Job is followed.
          if (!(error instanceof ApiException && error.code === 409)) throw error;
          continue;
        }
        await this.release(mode);
      } else if (finished(existing)) {
        this.say("what an earlier run left behind is taken away");
        await this.deleteJob();
        continue;
      } else if (existing.spec?.suspend === true && age(existing) < abandoned) {
        await sleep(pause);
        continue;
      } else if ((existing.metadata?.labels?.[modeLabel] ?? "migrate") !== mode) {
        if (existing.spec?.suspend === true) {
          this.say("a Job that nobody let go is taken away");
          await this.deleteJob();
          continue;
        }
        const running = modes.find((one) => one === existing.metadata?.labels?.[modeLabel]) ?? "migrate";
        throw new MigrationFailure(
          `${describeMode[running]} is running`,
          nothingChanged,
          `Wait for its end (kubectl -n ${namespace} get job ${this.names.job}), then run this again.`,
        );
      } else if (existing.spec?.suspend === true) {
        await this.release(mode);
      } else {
        this.say(`${describeMode[mode]} is running already; it is followed`);
      }
      const failure = await this.follow(mode, (event) => {
        this.hold.hear(mode, event);
        hear(event);
      });
      if (mode !== "plan" && mode !== "verify") await this.settleName();
      return failure;
    }
  }

  /** Everything that the Job needs, then the Job itself is let go. */
  private async release(mode: Mode): Promise<void> {
    const { namespace, target } = this.settings;
    const job = await this.job();
    if (job?.metadata?.uid === undefined) throw new Error(`Job ${this.names.job} vanished before it began`);
    const owned = {
      ownerReferences: [{ apiVersion: "batch/v1", kind: "Job", name: this.names.job, uid: job.metadata.uid }],
    };
    const newPassword = () => randomBytes(24).toString("base64url");
    const password = newPassword();
    const until = new Date(Date.now() + temporaryRoleHours * 3_600_000).toISOString();
    // A plan remembers nothing.
    const memory = [
      recordSchema(),
      `INSERT INTO naytife_migration.state (target_database) VALUES (${literal(target.database)}) ON CONFLICT DO NOTHING`,
    ];
    await this.kubernetes.control(
      "SET client_min_messages = warning",
      ...(mode === "plan" ? [] : memory),
      `DO $role$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${temporaryRole}') THEN CREATE ROLE ${temporaryRole}; END IF; END $role$`,
      `ALTER ROLE ${temporaryRole} SUPERUSER LOGIN VALID UNTIL '${until}' PASSWORD ${literal(scramVerifier(password))}`,
    );
    if (mode !== "plan") await this.prepareSigning();
    const { core } = this.kubernetes;
    const replace = async (remove: () => Promise<unknown>, create: () => Promise<unknown>) => {
      await found(remove());
      await patiently(create);
    };
    const name = this.names.job;
    const map = configMap(this.settings);
    Object.assign(map.metadata ?? {}, owned);
    await replace(
      () => core.deleteNamespacedConfigMap({ name, namespace }),
      () => core.createNamespacedConfigMap({ namespace, body: map }),
    );
    const credentials = secret(this.settings, password, newPassword());
    Object.assign(credentials.metadata ?? {}, owned);
    await replace(
      () => core.deleteNamespacedSecret({ name, namespace }),
      () => core.createNamespacedSecret({ namespace, body: credentials }),
    );
    // A patch and not a replacement: the Job's controller writes to it at the same time.
    const letGo = [{ op: "replace", path: "/spec/suspend", value: false }];
    await patiently(() => this.kubernetes.batch.patchNamespacedJob({ name, namespace, body: letGo }));
  }

  /** The dump's volume: made where it is missing, but for a plan. Returns whether the Job finds one. */
  private async prepareVolume(mode: Mode): Promise<boolean> {
    const { namespace } = this.settings;
    const existing = await this.dumpClaim();
    // One that no pod has used yet would be made by the first that does; one of another size makes room for a new one.
    if (mode === "plan") return existing?.status?.phase === "Bound" && sameVolume(existing, this.settings);
    if (mode === "migrate" && existing !== undefined && !sameVolume(existing, this.settings)) {
      const kept = this.keptDump(existing);
      if (kept !== undefined) throw kept;
      // No migration was finished with it, so nothing in it is a backup; what it held is dumped again.
      await this.kubernetes.core.deleteNamespacedPersistentVolumeClaim({ name: this.names.dump, namespace });
      while ((await this.dumpClaim()) !== undefined) {
        await sleep(pause);
      }
    }
    try {
      const body = dumpVolumeClaim(this.settings);
      await this.kubernetes.core.createNamespacedPersistentVolumeClaim({ namespace, body });
    } catch (error) {
      if (!(error instanceof ApiException && error.code === 409)) throw error;
    }
    return true;
  }

  private async dumpClaim(): Promise<V1PersistentVolumeClaim | undefined> {
    const { namespace } = this.settings;
    const claim = await found(
      this.kubernetes.core.readNamespacedPersistentVolumeClaim({ name: this.names.dump, namespace }),
    );
    if (claim !== undefined) this.own(claim.metadata?.labels, `PersistentVolumeClaim ${this.names.dump}`);
    return claim;
  }

  /** Why a dump that is kept cannot make room for the next one; undefined where nothing stands against it. */
  private keptDump(claim: V1PersistentVolumeClaim | undefined): MigrationFailure | undefined {
    if (claim?.metadata?.labels?.[holdsLabel] !== backup || sameVolume(claim, this.settings)) return undefined;
    return new MigrationFailure(
      `PersistentVolumeClaim ${this.names.dump} keeps the dump of a finished migration, and its size or class is no longer what the settings say`,
      nothingChanged,
      `Set migrationDumpStorage and storageClass back to its (${claim.spec?.resources?.requests?.storage ?? "?"}, ${claim.spec?.storageClassName ?? "no class"}), or, if that dump may go, delete it: kubectl -n ${this.settings.namespace} delete pvc ${this.names.dump}.`,
    );
  }

  /** The image that the Job runs in. */
  private async image(): Promise<string> {
    const { image } = this.settings;
    const cluster = await this.kubernetes.cluster();
    const own = image !== "" ? image : (cluster?.status?.image ?? cluster?.spec.imageName);
    if (own === undefined) {
      throw new MigrationFailure(
        `Cluster ${this.settings.target.cluster} names no image`,
        nothingChanged,
        "Set postgresImage.",
      );
    }
    return own;
  }

  /** Bytes that the target's volume can still take: what it was asked to be, less what its databases and WAL use. Below 0 where that is more already. */
  private async targetFree(): Promise<number> {
    const size = (await this.kubernetes.cluster())?.spec.storage?.size;
    const used = await this.kubernetes.control(
      "SELECT (SELECT sum(pg_database_size(oid)) FROM pg_database) + (SELECT sum(size) FROM pg_ls_waldir())",
    );
    return size === undefined ? Number.MAX_SAFE_INTEGER : bytesOf(size) - Number(used);
  }

  /** What an instance of the target may use, so that index builds can use it. */
  private async targetLimits(): Promise<{ targetMemory: number; targetMillicores: number }> {
    const limits = (await this.kubernetes.cluster())?.spec.resources?.limits;
    return {
      targetMemory: Math.floor(quantity(String(limits?.memory ?? 0)) ?? 0),
      targetMillicores: Math.floor(1000 * (quantity(String(limits?.cpu ?? 0)) ?? 0)),
    };
  }

  /** The source's host; while it is sealed by a run that was cut short, its pod's address, since a readiness probe may have taken it out of its Service. */
  private async sourceHost(): Promise<string> {
    const { source, target } = this.settings;
    const known = await this.kubernetes.control("SELECT to_regclass('naytife_migration.state') IS NOT NULL");
    const sealed =
      known === "t" &&
      (await this.kubernetes.control(
        `SELECT count(source_sealed) FROM naytife_migration.state WHERE target_database = ${literal(target.database)}`,
      )) !== "0";
    const [service = "", domain = this.settings.namespace] = source.host.split(".");
    const ours = domain === this.settings.namespace;
    return (sealed && ours ? await this.kubernetes.addressBehind(service) : undefined) ?? source.host;
  }

  /** Prints what the Job says until it ends; a stream that breaks is taken up where it broke. */
  private async follow(mode: Mode, hear: (event: MigrationEvent) => void): Promise<MigrationFailure | undefined> {
    const { namespace } = this.settings;
    const asked = Date.now();
    let since: string | undefined;
    let verdict: MigrationEvent | undefined;
    let waiting = "";
    for (;;) {
      const pod = await this.pod();
      const phase = pod?.status?.phase;
      if (pod?.metadata?.name !== undefined && phase !== undefined && phase !== "Pending") {
        try {
          await this.kubernetes.followLog({ pod: pod.metadata.name, container: "migration" }, since, (time, text) => {
            if (since !== undefined && time <= since) return;
            since = time;
            const event = parseEvent(text);
            if (event?.event === "failed") verdict = event;
            if (event !== undefined) hear(event);
            const line = event === undefined ? text : this.narrator.line(event, Date.parse(time));
            if (line !== undefined && line !== "") this.say(line, event);
          });
        } catch (error) {
          this.say(
            `the Job's log broke off (${error instanceof Error ? error.message : String(error)}); it is taken up again`,
          );
        }
      } else {
        const reason = pod === undefined ? "the Job's pod is not there yet" : `the Job's pod waits: ${waitingFor(pod)}`;
        if (reason !== waiting) this.say(reason);
        waiting = reason;
        if (Date.now() - asked > startLimit) {
          // Left alone it might start hours later, with nobody watching.
          await this.deleteJob();
          return new MigrationFailure(
            `the Job's pod did not start within ${startLimit / 60_000} minutes, so the Job was deleted: ${reason}`,
            "This run changed nothing.",
            `Look for the cause: kubectl -n ${namespace} get events --sort-by=.lastTimestamp. Then run this again.`,
          );
        }
      }
      const job = await patiently(() => this.job());
      if (job === undefined || finished(job)) {
        return failureOf(mode, job, verdict, await this.pod());
      }
      await sleep(pause);
    }
  }

  /** What the Job takes from the namespace must be there before it is made. */
  private async presentPasswords(): Promise<void> {
    const { namespace, source, target } = this.settings;
    for (const [name, key, whose] of [
      [source.secretName, source.secretKey, "source's"],
      [target.secretName, "password", "target's"],
    ] as const) {
      const held = await found(patiently(() => this.kubernetes.core.readNamespacedSecret({ name, namespace })));
      if (held?.data?.[key] === undefined) {
        throw new MigrationFailure(
          held === undefined
            ? `there is no Secret ${name} in namespace ${namespace}`
            : `Secret ${name} has no key ${key}`,
          nothingChanged,
          `It must hold the ${whose} password.${whose === "source's" ? " Where there is no old database to move, set migrationEnabled to false." : ""}`,
        );
      }
    }
  }

  /** The report of a finished migration into this database, or undefined. Says so if it is not what the migration signed. */
  private async storedReport(): Promise<StoredReport | undefined> {
    const stored = await storedReport(this.kubernetes, this.settings);
    if (stored?.fault !== undefined) this.say(`warning: the stored report cannot be trusted: ${stored.fault}`);
    return stored;
  }

  /** Makes the signing key where there is none. Another engine's is as good. */
  private async prepareSigning(): Promise<void> {
    if ((await signingKey(this.kubernetes, this.settings)) !== undefined) return;
    const body = signingSecret(this.settings, randomBytes(32).toString("hex"));
    try {
      await patiently(() => this.kubernetes.core.createNamespacedSecret({ namespace: this.settings.namespace, body }));
    } catch (error) {
      if (!(error instanceof ApiException && error.code === 409)) throw error;
    }
  }

  /** Keeps the report in the cluster for who has no way into the database. The marker's is the one that counts. */
  private async keepReport(report: StoredReport): Promise<void> {
    const { namespace } = this.settings;
    const name = this.names.report;
    const body = reportConfigMap(this.settings, report, renderReport(JSON.parse(report.text) as MigrationReport));
    const kept = await found(patiently(() => this.kubernetes.core.readNamespacedConfigMap({ name, namespace })));
    if (kept === undefined) {
      await patiently(() => this.kubernetes.core.createNamespacedConfigMap({ namespace, body }));
    } else {
      this.own(kept.metadata?.labels, `ConfigMap ${name}`);
      await patiently(() => this.kubernetes.core.replaceNamespacedConfigMap({ name, namespace, body }));
    }
  }

  /** The end of a finished migration: the dump is a backup from now on, the report is kept, and what is temporary goes. */
  private async conclude(report: StoredReport): Promise<void> {
    const { namespace } = this.settings;
    // One that was tampered with does not take the place of the sound one.
    if (report.fault === undefined) {
      await this.attempt(`keep the report as ConfigMap ${this.names.report}`, () => this.keepReport(report));
    }
    const kept = [{ op: "add", path: `/metadata/labels/${holdsLabel.replace("/", "~1")}`, value: backup }];
    await this.attempt(`label the dump's volume ${this.names.dump} as a backup`, () =>
      found(
        this.kubernetes.core.patchNamespacedPersistentVolumeClaim({ name: this.names.dump, namespace, body: kept }),
      ),
    );
    await this.attempt(`wait for the end of Job ${this.names.job}`, () => this.jobEnds());
    await this.tidy();
    await this.attempt("take away what the switch left behind, which the next run does", () => this.clearAway());
  }

  /** Where the engine before was killed, the Job that it followed may have a last second left: its report is there before it ends. */
  private async jobEnds(): Promise<void> {
    const deadline = Date.now() + 30_000;
    for (;;) {
      const job = await this.job();
      if (job === undefined || finished(job) || job.spec?.suspend === true || Date.now() > deadline) return;
      await sleep(500);
    }
  }

  /** What the Job takes away after the switch, where it was killed before it could: its working tables' rows, and the empty database that the Cluster was made with. */
  private async clearAway(): Promise<void> {
    if ((await this.job()) !== undefined) return;
    const { database } = this.settings.target;
    const ours = `target_database = ${literal(database)}`;
    const cutShort = `${ours} AND phase = 'cut over' AND finished IS NULL AND run = (SELECT run FROM naytife_migration.marker WHERE ${ours})`;
    if ((await this.kubernetes.control(`SELECT count(*) FROM naytife_migration.phase WHERE ${cutShort}`)) === "0")
      return;
    this.say("the run that switched was cut short right behind it; what it left is taken away");
    const replaced = `${database}_before_migration`;
    const there = `SELECT count(*) FROM pg_database WHERE datname = ${literal(replaced)}`;
    if ((await this.kubernetes.control(there)) !== "0") {
      const identifier = `"${replaced.replaceAll('"', '""')}"`;
      const contents = fs
        .readFileSync(path.join(__dirname, "..", "job", "empty.sql"), "utf8")
        .trim()
        .replace(/;$/, "");
      const held = await this.kubernetes.control(`\\connect ${identifier}\n${contents}`);
      if (held === "") await this.kubernetes.control(`DROP DATABASE ${identifier} WITH (FORCE)`);
      else this.say(`warning: the target's database ${replaced} is kept, since it holds something: ${held}`);
    }
    await this.kubernetes.control(
      `DELETE FROM naytife_migration.fact WHERE ${ours}`,
      `DELETE FROM naytife_migration.change WHERE ${ours}`,
      `UPDATE naytife_migration.phase SET finished = clock_timestamp() WHERE ${cutShort}`,
    );
  }

  /** {@link cleanUp}, whose failure neither hides an earlier one nor fails what is finished. */
  private async tidy(): Promise<void> {
    await this.attempt(`take away what is temporary (Job ${this.names.job}, role ${temporaryRole})`, () =>
      this.cleanUp(),
    );
  }

  /** The old host name leads where the database is. */
  private async settleName(): Promise<void> {
    const name = this.settings.source.host;
    await this.attempt(`lead ${name} to where the database is, which the next run does`, () => this.hold.settle());
  }

  private async attempt(what: string, request: () => Promise<unknown>): Promise<void> {
    try {
      await request();
    } catch (error) {
      this.say(`could not ${what}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** Takes away what is temporary, if it is there: the Job with its Secret and ConfigMap, then the role. The dump and the records stay. */
  private async cleanUp(): Promise<void> {
    const job = await this.job();
    if (job !== undefined && !finished(job) && job.spec?.suspend !== true) return;
    if (job !== undefined) await this.deleteJob();
    const exists = await this.kubernetes.control(`SELECT count(*) FROM pg_roles WHERE rolname = '${temporaryRole}'`);
    if (exists === "0") return;
    await this.kubernetes.control(
      `ALTER ROLE ${temporaryRole} NOLOGIN`,
      `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = '${temporaryRole}'`,
      `DROP ROLE IF EXISTS ${temporaryRole}`,
    );
  }

  private async deleteJob(): Promise<void> {
    const { namespace } = this.settings;
    const name = this.names.job;
    await found(this.kubernetes.batch.deleteNamespacedJob({ name, namespace, propagationPolicy: "Foreground" }));
    while ((await this.job()) !== undefined) {
      await sleep(pause);
    }
    await found(this.kubernetes.core.deleteNamespacedSecret({ name, namespace }));
    await found(this.kubernetes.core.deleteNamespacedConfigMap({ name, namespace }));
  }

  private async job(): Promise<V1Job | undefined> {
    const { namespace } = this.settings;
    const job = await found(
      patiently(() => this.kubernetes.batch.readNamespacedJob({ name: this.names.job, namespace })),
    );
    if (job !== undefined) this.own(job.metadata?.labels, `Job ${this.names.job}`);
    return job;
  }

  private async pod(): Promise<V1Pod | undefined> {
    const { namespace } = this.settings;
    const labelSelector = `batch.kubernetes.io/job-name=${this.names.job}`;
    const { items } = await patiently(() => this.kubernetes.core.listNamespacedPod({ namespace, labelSelector }));
    return items.sort((a, b) => created(b) - created(a))[0];
  }

  /** Refuses an object of our name that somebody else made. */
  private own(found: Record<string, string> | undefined, what: string): void {
    const [key, value] = ["naytife.com/cluster", this.settings.target.cluster];
    if (found?.[key] !== value) {
      throw new MigrationFailure(`${what} exists and is not this migration's`, nothingChanged, "Rename or delete it.");
    }
  }
}

/** Whether the dump's volume is as the settings want it. */
function sameVolume({ spec }: V1PersistentVolumeClaim, { dump }: Settings): boolean {
  const size = spec?.resources?.requests?.storage;
  return (
    size !== undefined &&
    bytesOf(size) === bytesOf(dump.size) &&
    (dump.storageClass === "" || dump.storageClass === spec?.storageClassName)
  );
}

function created(pod: V1Pod): number {
  return pod.metadata?.creationTimestamp?.getTime() ?? 0;
}

/** Milliseconds since the Job was made. */
function age(job: V1Job): number {
  return Date.now() - (job.metadata?.creationTimestamp?.getTime() ?? 0);
}

function finished(job: V1Job): boolean {
  return (job.status?.conditions ?? []).some(
    ({ type, status }) => (type === "Complete" || type === "Failed") && status === "True",
  );
}

function failureOf(
  mode: Mode,
  job: V1Job | undefined,
  verdict: MigrationEvent | undefined,
  pod?: V1Pod,
): MigrationFailure | undefined {
  const complete = job?.status?.conditions?.some(({ type, status }) => type === "Complete" && status === "True");
  if (complete === true) return undefined;
  if (verdict !== undefined) {
    return new MigrationFailure(
      `${verdict.phase}: ${verdict.text ?? ""}`,
      verdict.untouched ?? "",
      verdict.next ?? "Run `pulumi up` again.",
    );
  }
  const ended = pod?.status?.containerStatuses?.[0]?.state?.terminated;
  const why = job === undefined ? "the Job was deleted" : (ended?.reason ?? "its pod was deleted or lost its node");
  if (mode === "plan") {
    return new MigrationFailure(
      `the plan's Job was ended from outside: ${why}`,
      "A plan changes neither side.",
      "Run the plan again.",
    );
  }
  if (mode === "rollback") {
    return new MigrationFailure(
      `the Job was ended from outside: ${why}`,
      "Nothing is lost on either side. The new database may be closed to clients, the old one is, unless the switch was made.",
      "Run `npm run migration -- rollback` again, now: it goes on, or, where it cannot, gives the new database back to its clients.",
    );
  }
  return new MigrationFailure(
    `the Job was ended from outside: ${why}`,
    "The application's database of the target is as it was. The source may still be read-only.",
    'Run `pulumi up` again: it does what is left. To let the source go without it: docs/migration.md, "Letting the source go".',
  );
}
