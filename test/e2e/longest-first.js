/**
 * Starts the longest end-to-end files first, so that both workers end at the same time. Where jest has no times of an earlier run, it goes by the files' size,
 * which says nothing of them.
 */
const path = require("node:path");
const { default: Sequencer } = require("@jest/test-sequencer");

/** Seconds on two cores with another file beside. */
const seconds = {
  production: 400,
  "migration-rollback": 490,
  drill: 380,
  "migration-kill": 380,
  backup: 350,
  story: 330,
  growth: 330,
  local: 300,
  "migration-damage": 270,
  "migration-switch": 270,
  "migration-live": 250,
  "migration-online": 240,
  "provider-behaviours": 190,
  "embedded-kubernetes": 180,
  "migration-commands": 170,
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
