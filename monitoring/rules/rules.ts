import type { MonitoringSettings } from "../settings";
import { availability } from "./availability";
import { backups, drills } from "./backups";
import { connections, pooler } from "./connections";
import { migration, operator } from "./machinery";
import { missing } from "./missing";
import { replication } from "./replication";
import { renderGroup, type Alert, type Group, type RenderedGroup } from "./rule";
import { serviceLevel, serviceLevelOfDays } from "./service-level";
import { certificates, storage } from "./storage";

/** All rules for what is watched, in the order in which they are read. A group that has nothing to say there is left out. */
export function groups(settings: MonitoringSettings): Group[] {
  const all = [
    availability,
    replication,
    connections,
    pooler,
    backups,
    drills,
    storage,
    certificates,
    operator,
    migration,
    serviceLevel,
    serviceLevelOfDays,
  ]
    .map((group) => group(settings))
    .filter(({ alerts }) => alerts.length > 0);
  return [...all, missing(settings, all)];
}

/** Every alert for what is watched. */
export function alerts(settings: MonitoringSettings): Alert[] {
  return groups(settings).flatMap((group) => [...group.alerts]);
}

/** `spec` of a PrometheusRule, and the contents of a rule file of Prometheus. */
export function ruleFile(settings: MonitoringSettings): { groups: RenderedGroup[] } {
  return { groups: groups(settings).map((group) => renderGroup(group, settings)) };
}
