import * as fs from "node:fs";
import * as path from "node:path";
import type { MigrationReport } from "../migration";
import { foreseeAlias } from "./alias";
import { pointToSource } from "./connection-secret";
import { DumpVolume } from "./dump-volume";
import type { MigrationEvent } from "./events";
import { MigrationFailure, nothingChanged } from "./failure";
import { Hold } from "./hold";
import { MigrationJob } from "./job";
import { found, Kubernetes, patiently } from "./kubernetes";
import { type Mode, modeLabel, objectNames, refuseForeign, reportConfigMap, temporaryRole } from "./manifests";
import { donePlan, type Plan, planOf } from "./plan";
import { contradiction, readRecord, type RollbackReport, type Side } from "./record";
import { renderReport } from "./report";
import { literal, type Settings } from "./settings";
import { type StoredReport, storedReport } from "./stored-report";
import type { Say } from "./terminal";

/** What the operator calls a Cluster that has all that it should have. */
const healthy = "Cluster in healthy state";

/** Does what is left of the migration and returns its report; on a finished target it changes nothing and returns the report that is stored there. */
export class Engine {
  private readonly kubernetes: Kubernetes;
  private readonly reportName: string;
  private readonly dump: DumpVolume;
  private readonly hold: Hold;
  private readonly job: MigrationJob;

  /** @param say receives a line of progress. */
  constructor(
    private readonly settings: Settings,
    private readonly say: Say,
  ) {
    this.kubernetes = new Kubernetes(settings);
    this.reportName = objectNames(settings).report;
    this.dump = new DumpVolume(this.kubernetes, settings);
    this.hold = new Hold(this.kubernetes, settings, say);
    this.job = new MigrationJob(this.kubernetes, settings, this.dump, this.hold, say);
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
    const job = await this.job.current();
    if (job?.metadata?.labels?.[modeLabel] !== "plan") return;
    await this.job.delete();
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
    const kept = await this.dump.kept();
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

  /** The Job to its end. Returns its failure. */
  private async runJob(mode: Mode, hear?: (event: MigrationEvent) => void): Promise<MigrationFailure | undefined> {
    const failure = await this.job.run(mode, hear);
    if (mode !== "plan" && mode !== "verify") await this.settleName();
    return failure;
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

  /** Keeps the report in the cluster for who has no way into the database. The marker's is the one that counts. */
  private async keepReport(report: StoredReport): Promise<void> {
    const { namespace } = this.settings;
    const name = this.reportName;
    const body = reportConfigMap(this.settings, report, renderReport(JSON.parse(report.text) as MigrationReport));
    const kept = await found(patiently(() => this.kubernetes.core.readNamespacedConfigMap({ name, namespace })));
    if (kept === undefined) {
      await patiently(() => this.kubernetes.core.createNamespacedConfigMap({ namespace, body }));
    } else {
      refuseForeign(this.settings, kept.metadata?.labels, `ConfigMap ${name}`);
      await patiently(() => this.kubernetes.core.replaceNamespacedConfigMap({ name, namespace, body }));
    }
  }

  /** The end of a finished migration: the dump is a backup from now on, the report is kept, and what is temporary goes. */
  private async conclude(report: StoredReport): Promise<void> {
    // One that was tampered with does not take the place of the sound one.
    if (report.fault === undefined) {
      await this.attempt(`keep the report as ConfigMap ${this.reportName}`, () => this.keepReport(report));
    }
    await this.attempt("label the dump's volume as a backup", () => this.dump.keep());
    await this.attempt("wait for the end of the Job", () => this.job.ends());
    await this.tidy();
    await this.attempt("take away what the switch left behind, which the next run does", () => this.clearAway());
  }

  /** What the Job takes away after the switch, where it was killed before it could: its working tables' rows, and the empty database that the Cluster was made with. */
  private async clearAway(): Promise<void> {
    if ((await this.job.current()) !== undefined) return;
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

  /** {@link MigrationJob.cleanUp}, whose failure neither hides an earlier one nor fails what is finished. */
  private async tidy(): Promise<void> {
    await this.attempt(`take away what is temporary (the Job, role ${temporaryRole})`, () => this.job.cleanUp());
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
}
