import { availabilityCases } from "./availability.cases";
import { backupCases } from "./backups.cases";
import type { Case } from "./case";
import { connectionCases } from "./connections.cases";
import { machineryCases } from "./machinery.cases";
import { missingCases } from "./missing.cases";
import { replicationCases } from "./replication.cases";
import { serviceLevelCases } from "./service-level.cases";
import { storageCases } from "./storage.cases";

/** Every case of every alert. */
export const cases: readonly Case[] = [
  ...availabilityCases,
  ...replicationCases,
  ...connectionCases,
  ...backupCases,
  ...storageCases,
  ...machineryCases,
  ...serviceLevelCases,
  ...missingCases,
];
