import { randomBytes, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { ApiException, type V1Job, type V1Pod } from "@kubernetes/client-node";
import { quantity } from "../../postgresql/quantity";
import type { DumpVolume } from "./dump-volume";
import { type MigrationEvent, Narrator, parseEvent } from "./events";
import { MigrationFailure, nothingChanged } from "./failure";
import type { Hold } from "./hold";
import { found, type Kubernetes, patiently, waitingFor } from "./kubernetes";
import {
  configMap,
  describeMode,
  job as jobManifest,
  type Mode,
  modeLabel,
  modes,
  objectNames,
  refuseForeign,
  secret,
  signingSecret,
  temporaryRole,
  temporaryRoleHours,
} from "./manifests";
import { recordSchema } from "./record";
import { scramVerifier } from "./scram";
import { bytesOf, literal, type Settings } from "./settings";
import { signingKey } from "./stored-report";
import type { Say } from "./terminal";

/** How often the Job is looked at, in milliseconds. */
const pause = 1000;

/** How long a Job that nobody lets go may stay suspended before another engine takes it over, in milliseconds. */
const abandoned = 60_000;

/** How long the Job's pod may take to start, in milliseconds: an image pull and a volume. */
const startLimit = 15 * 60_000;

/** The one Job that does the work in the cluster. Its name is the lease: whoever finds it follows it. */
export class MigrationJob {
  private readonly names: ReturnType<typeof objectNames>;
  private readonly narrator = new Narrator();

  constructor(
    private readonly kubernetes: Kubernetes,
    private readonly settings: Settings,
    private readonly dump: DumpVolume,
    private readonly hold: Hold,
    /** Receives a line of progress. */
    private readonly say: Say,
  ) {
    this.names = objectNames(settings);
  }

  /** Runs the Job to its end, or attaches to the one that runs; `hear` gets each of its events. Returns its failure. */
  async run(
    mode: Mode,
    hear: (event: MigrationEvent) => void = () => undefined,
  ): Promise<MigrationFailure | undefined> {
    const { namespace } = this.settings;
    for (;;) {
      const existing = await this.current();
      if (existing === undefined) {
        // What a run that was killed left is finished or undone first.
        if (mode !== "plan" && mode !== "verify") await this.hold.settle();
        if (mode === "migrate") await this.hold.prepare();
        const kept = await this.hold.source();
        const run = {
          id: randomUUID(),
          mode,
          image: await this.image(),
          dumpVolume: await this.dump.prepare(mode),
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
        await this.delete();
        continue;
      } else if (existing.spec?.suspend === true && age(existing) < abandoned) {
        await sleep(pause);
        continue;
      } else if ((existing.metadata?.labels?.[modeLabel] ?? "migrate") !== mode) {
        if (existing.spec?.suspend === true) {
          this.say("a Job that nobody let go is taken away");
          await this.delete();
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
      return this.follow(mode, (event) => {
        this.hold.hear(mode, event);
        hear(event);
      });
    }
  }

  /** Everything that the Job needs, then the Job itself is let go. */
  private async release(mode: Mode): Promise<void> {
    const { namespace, target } = this.settings;
    const job = await this.current();
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
          await this.delete();
          return new MigrationFailure(
            `the Job's pod did not start within ${startLimit / 60_000} minutes, so the Job was deleted: ${reason}`,
            "This run changed nothing.",
            `Look for the cause: kubectl -n ${namespace} get events --sort-by=.lastTimestamp. Then run this again.`,
          );
        }
      }
      const job = await patiently(() => this.current());
      if (job === undefined || finished(job)) {
        return failureOf(mode, job, verdict, await this.pod());
      }
      await sleep(pause);
    }
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

  /** Where the engine before was killed, the Job that it followed may have a last second left: its report is there before it ends. */
  async ends(): Promise<void> {
    const deadline = Date.now() + 30_000;
    for (;;) {
      const job = await this.current();
      if (job === undefined || finished(job) || job.spec?.suspend === true || Date.now() > deadline) return;
      await sleep(500);
    }
  }

  /** Takes away what is temporary, if it is there: the Job with its Secret and ConfigMap, then the role. The dump and the records stay. */
  async cleanUp(): Promise<void> {
    const job = await this.current();
    if (job !== undefined && !finished(job) && job.spec?.suspend !== true) return;
    if (job !== undefined) await this.delete();
    const exists = await this.kubernetes.control(`SELECT count(*) FROM pg_roles WHERE rolname = '${temporaryRole}'`);
    if (exists === "0") return;
    await this.kubernetes.control(
      `ALTER ROLE ${temporaryRole} NOLOGIN`,
      `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = '${temporaryRole}'`,
      `DROP ROLE IF EXISTS ${temporaryRole}`,
    );
  }

  async delete(): Promise<void> {
    const { namespace } = this.settings;
    const name = this.names.job;
    await found(this.kubernetes.batch.deleteNamespacedJob({ name, namespace, propagationPolicy: "Foreground" }));
    while ((await this.current()) !== undefined) {
      await sleep(pause);
    }
    await found(this.kubernetes.core.deleteNamespacedSecret({ name, namespace }));
    await found(this.kubernetes.core.deleteNamespacedConfigMap({ name, namespace }));
  }

  async current(): Promise<V1Job | undefined> {
    const { namespace } = this.settings;
    const job = await found(
      patiently(() => this.kubernetes.batch.readNamespacedJob({ name: this.names.job, namespace })),
    );
    if (job !== undefined) refuseForeign(this.settings, job.metadata?.labels, `Job ${this.names.job}`);
    return job;
  }

  private async pod(): Promise<V1Pod | undefined> {
    const { namespace } = this.settings;
    const labelSelector = `batch.kubernetes.io/job-name=${this.names.job}`;
    const { items } = await patiently(() => this.kubernetes.core.listNamespacedPod({ namespace, labelSelector }));
    return items.sort((a, b) => created(b) - created(a))[0];
  }
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
