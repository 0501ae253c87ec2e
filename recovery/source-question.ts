import { setTimeout as sleep } from "node:timers/promises";
import { readSettings } from "../migration/engine/settings";
import { type CheckedRecovery, recoveryVariable } from "./asked";
import { StoreUnavailable } from "./bucket";
import { refusalOf, storeUnread } from "./configured-recovery";
import { words } from "./failure";
import { Objects } from "./objects";

// What `pulumi up` runs before it makes a Cluster that is to begin with an archive.
async function main(): Promise<void> {
  const { recovery, deadline } = JSON.parse(process.env[recoveryVariable] ?? "") as CheckedRecovery;
  const objects = new Objects(readSettings(process.env));
  const end = Date.now() + deadline * 1000;
  for (;;) {
    try {
      const refusal = await refusalOf(objects, recovery);
      if (refusal !== undefined) throw refusal;
      return;
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      // A key or a policy that this very update made may be known to the store after a minute or two.
      if (Date.now() > end) throw storeUnread(error.message);
      process.stderr.write(`[recovery] the bucket cannot be read yet: ${error.message}\n`);
      await sleep(5000);
    }
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`${words(error)}\n`);
  process.exitCode = 1;
});
