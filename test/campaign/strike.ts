import { basename } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { V1Pod } from "@kubernetes/client-node";
import { run } from "../../local/run";
import { found } from "../../migration/engine/kubernetes";
import { objectNames } from "../../migration/engine/manifests";
import { until } from "../e2e/kubectl";
import { endOutright, processesOf, type ContainerProcess } from "../e2e/container-processes";
import { jobPods, jobProcesses, type Running } from "../e2e/migration-fixture";
import type { Kill } from "./plan";
import type { Scene } from "./scene";

/** What a strike came to. */
export interface Blow {
  /** Whether there was anything to hit. */
  readonly hit: boolean;
  /** When the harm is over: the network is back, the disk has room, the server answers. */
  readonly over: Promise<unknown>;
}

/** Hits the kill's victim, now. */
export async function strike(scene: Scene, { victim, lasts }: Kill, engine: Running): Promise<Blow> {
  const { fixture, api } = scene;
  const { namespace } = fixture;
  const done = (hit: boolean): Blow => ({ hit, over: Promise.resolve() });
  switch (victim) {
    case "the Job's program":
      return done(endOutright(await jobProcesses(scene.legacyTarget)));
    case "the Job's pod":
    case "the Job's pod, politely": {
      const pods = await jobPods(scene.legacyTarget);
      const grace = victim === "the Job's pod" ? { gracePeriodSeconds: 0 } : {};
      for (const { metadata } of pods) {
        await found(api.core.deleteNamespacedPod({ name: metadata?.name ?? "", namespace, ...grace }));
      }
      return done(pods.length > 0);
    }
    case "the Job": {
      const name = objectNames(fixture.settings).job;
      const deleted = api.batch.deleteNamespacedJob({ name, namespace, propagationPolicy: "Background" });
      return done((await found(deleted)) !== undefined);
    }
    case "the engine":
    case "the engine, by Ctrl-C":
      engine.end(victim === "the engine" ? "SIGKILL" : "SIGINT");
      return done(true);
    case "the Pulumi process":
      engine.leave();
      return done(true);
    case "the sessions on the source": {
      // Most of them are there for a moment only, so the next that comes is hit.
      const sql = `DO $$ DECLARE ended bigint; BEGIN
        FOR look IN 1..500 LOOP
          SELECT count(pg_terminate_backend(pid)) INTO ended FROM pg_stat_activity WHERE application_name LIKE 'naytife\\_migration %';
          EXIT WHEN ended > 0;
          PERFORM pg_stat_clear_snapshot(), pg_sleep(0.01);
        END LOOP;
        PERFORM set_config('campaign.ended', ended::text, false);
      END $$; SELECT current_setting('campaign.ended')`;
      return done((await scene.source(sql)) !== "0");
    }
    case "the source's network":
      return cut(scene, lasts, "DROP");
    case "the source's connections":
      return cut(scene, lasts, "REJECT", "--reject-with", "tcp-reset");
    case "the dump's disk":
    case "the target's disk": {
      const volume = victim === "the dump's disk" ? scene.dumpVolume : scene.targetVolume;
      await volume.fill();
      const over = sleep(lasts)
        .then(() => volume.free())
        .then(() => targetIsBack(scene));
      return { hit: true, over };
    }
    case "the target's server":
      return { hit: endOutright(await postmaster(scene)), over: targetIsBack(scene) };
    case "the Job's program and the target's server": {
      const both = [...(await jobProcesses(scene.legacyTarget)), ...(await postmaster(scene))];
      return { hit: endOutright(both), over: targetIsBack(scene) };
    }
    case "the target's pod": {
      const [pod] = await podsOf(scene, "cnpg.io/podRole=instance");
      const name = pod?.metadata?.name ?? "";
      await api.core.deleteNamespacedPod({ name, namespace, gracePeriodSeconds: 0 });
      return { hit: true, over: targetIsBack(scene) };
    }
  }
}

async function postmaster(scene: Scene): Promise<ContainerProcess[]> {
  const pods = await podsOf(scene, "cnpg.io/podRole=instance");
  const all = pods.flatMap(({ metadata }) => processesOf(metadata?.uid ?? ""));
  return all.filter(({ command: [program = "", option] }) => basename(program) === "postgres" && option === "-D");
}

async function podsOf({ api, fixture: { namespace } }: Scene, labelSelector: string): Promise<V1Pod[]> {
  return (await api.core.listNamespacedPod({ namespace, labelSelector })).items;
}

/** What becomes of every packet between the source's server and anybody else, for a time. */
async function cut(scene: Scene, milliseconds: number, ...fate: readonly string[]): Promise<Blow> {
  const [pod] = await podsOf(scene, "app=postgres");
  // Any other may be gone before the network is back.
  const one = processesOf(pod?.metadata?.uid ?? "").find(({ first }) => first);
  if (one === undefined) throw new Error("the source's pod has no process on this machine");
  const rules = [
    ["INPUT", "!", "--in-interface", "lo", "--protocol", "tcp", "--dport", "5432", "--jump", ...fate],
    ["OUTPUT", "!", "--out-interface", "lo", "--protocol", "tcp", "--sport", "5432", "--jump", ...fate],
  ];
  const each = async (action: string) => {
    for (const rule of rules) {
      await run("nsenter", [`--net=/proc/${one.id}/ns/net`, "iptables", "--wait", action, ...rule]);
    }
  };
  await each("--insert");
  return { hit: true, over: sleep(milliseconds).then(() => each("--delete")) };
}

/** Waits until the target's server answers, which may take its pod's restart. */
function targetAnswers({ target }: Scene): Promise<true> {
  return until("the target's server", 180, async () => {
    try {
      return (await target("SELECT NOT pg_is_in_recovery()")) === "t" ? true : undefined;
    } catch {
      return undefined;
    }
  });
}

/** Waits until the target can be reached as the Job does it, too: its Service leads to a pod that is ready, which comes after the server answers. */
export async function targetIsBack(scene: Scene): Promise<void> {
  await targetAnswers(scene);
  const isReady = ["exec", "deploy/postgres", "--", "pg_isready", "--host", "naytife-postgres-rw", "--timeout", "2"];
  let times = 0;
  await until("the target's Service", 180, async () => {
    times = await scene.fixture.k(...isReady).then(
      () => times + 1,
      () => 0,
    );
    return times >= 3 ? true : undefined;
  });
}
