// Sums jest's own results (the JSON files that are named) into the line that CI ends with, behind a list of what failed:
// whoever reads the end of a long log sees why.
const { readFileSync } = require("node:fs");
const { basename } = require("node:path");

// A failure's first lines name it; the whole of it stands further up in the log.
const linesShown = 25;
const start = (message) => message.split("\n").slice(0, linesShown).join("\n");

let passed = 0;
let failed = 0;
for (const file of process.argv.slice(2)) {
  const result = JSON.parse(readFileSync(file, "utf8"));
  passed += result.numPassedTests;
  // A file that could not even be loaded counts as one failure.
  failed += result.numFailedTests + result.numRuntimeErrorTestSuites;
  for (const suite of result.testResults) {
    if (suite.status !== "failed") continue;
    const name = basename(suite.name);
    const tests = suite.assertionResults.filter((test) => test.status === "failed");
    for (const test of tests) console.log(`=== ${name}: ${test.fullName}\n${start(test.failureMessages.join("\n"))}`);
    if (tests.length === 0) console.log(`=== ${name}\n${start(suite.message)}`);
  }
}
console.log(`${passed} passed, ${failed} failed`);
