/** The environment variable that carries where the archive is to be, as JSON. */
export const placeVariable = "NAYTIFE_ARCHIVE";

/** The environment variable that says how many seconds the first segment may take. */
export const deadlineVariable = "NAYTIFE_ARCHIVE_DEADLINE";
