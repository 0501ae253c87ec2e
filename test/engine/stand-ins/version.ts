/** Put in by the bundler (local/engine/stand-ins.ts): the version that the program's SDK asks the plugin to have. */
declare const STAND_IN_VERSION: string;

/** The version that a stand-in tells the engine. */
export const standInVersion = STAND_IN_VERSION;
