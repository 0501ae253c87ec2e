import type { Values } from "../config";
import { archiveFolder } from "../components/names";
import { drillNames } from "../drill/names";
import type { Settings } from "../migration/engine/settings";
import { migrationSettings, sourceWatchName } from "../migration/settings";
import { monitoringSettings } from "../monitoring/configuration";
import type { MonitoringSettings } from "../monitoring/settings";

/** What `npm run status` is told by the stack. Nothing of it is a secret. */
export interface StatusSettings {
  /** Where Kubernetes is, and which Cluster and database the stack has. */
  readonly stack: Settings;
  /** What should be there, and from when on it is not well: the alerts' own thresholds, so that both say the same. */
  readonly monitoring: MonitoringSettings;
  readonly monitoringEnabled: boolean;
  readonly migrationEnabled: boolean;
  /** Folder of the Cluster's archive. */
  readonly serverName: string;
  /** The Prometheus that evaluates the stack's alerts. undefined: the stack does not say. */
  readonly prometheus: PrometheusAddress | undefined;
}

/** A Service, as it is reached by way of the API server. */
export interface PrometheusAddress {
  readonly namespace: string;
  /** `<service>:<port>` */
  readonly service: string;
}

/** What the stack's configuration says about its state. The one place where `npm run status` reads it. */
export function statusSettings(values: Values): StatusSettings {
  const backups = values.backupStore !== "none";
  return {
    stack: migrationSettings(values),
    monitoring: monitoringSettings(values, {
      backups,
      drillCronJob: backups && values.drill ? drillNames.drill : undefined,
      sourceWatch: sourceWatchName(values),
    }),
    monitoringEnabled: values.monitoringEnabled,
    migrationEnabled: values.migrationEnabled,
    serverName: archiveFolder(values),
    prometheus: prometheusAddress(values.monitoringPrometheus),
  };
}

/** Reads `<namespace>/<service>:<port>`; empty is none. */
function prometheusAddress(text: string): PrometheusAddress | undefined {
  const [namespace = "", service = ""] = text.split("/");
  return text === "" ? undefined : { namespace, service };
}
