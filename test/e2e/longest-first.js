/**
 * Starts the longest end-to-end files first, so that both workers end at the same time. Where jest has no times of an earlier run, it goes by the files' size,
 * which says nothing of them.
 */
const path = require("node:path");
const { default: Sequencer } = require("@jest/test-sequencer");

/** Seconds on two cores with another file beside. */
const seconds = {
  growth: 570,
  "migration-rollback": 490,
  local: 480,
  drill: 480,
  production: 380,
  story: 350,
  backup: 340,
  "migration-live": 290,
  "migration-online": 270,
  "migration-damage": 210,
  beforehand: 200,
  "migration-switch": 210,
  "migration-kill": 200,
  "embedded-kubernetes": 180,
  "migration-commands": 170,
  "provider-behaviours": 140,
  legacy: 50,
};

/** One that has not been measured yet. */
const unknown = 300;

const length = ({ path: file }) => seconds[path.basename(file, ".test.ts")] ?? unknown;

module.exports = class LongestFirst extends Sequencer {
  sort(tests) {
    return [...tests].sort((one, other) => length(other) - length(one));
  }
};
