// Runs before every npm script, with nothing but Node.js: a fresh clone has no node_modules, and `npm run local` must work there.
const { execFileSync } = require("node:child_process");
const { existsSync, readFileSync, writeFileSync } = require("node:fs");
const { createHash } = require("node:crypto");
const path = require("node:path");

const checkout = path.dirname(__dirname);
const stamp = path.join(checkout, "node_modules", ".installed-from");
const wanted = createHash("sha256")
  .update(readFileSync(path.join(checkout, "package-lock.json")))
  .digest("hex");

if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== wanted) {
  console.error("Installing the pinned npm packages (npm ci) …");
  // Install scripts stay off: none of the packages needs one, and @pulumi/kubernetes would try to download its plugin here,
  // which is the business of local/engine.
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  execFileSync(npm, ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: checkout,
    stdio: ["ignore", process.stderr, process.stderr],
  });
  writeFileSync(stamp, wanted);
}
