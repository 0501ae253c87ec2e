/** What a PostgreSQL connection URL says. */
export interface ConnectionUrlParts {
  readonly username: string;
  readonly password: string;
  readonly host: string;
  readonly port: number;
  readonly database: string;
  /** @default require */
  readonly sslmode?: SslMode;
}

/** Whether a client insists on TLS (`require`), or takes it where the server has it (`prefer`), as the legacy database may not. */
export type SslMode = "require" | "prefer";

/**
 * A PostgreSQL connection URL. User, password and database are percent-encoded, so any password
 * survives; libpq, pgx, node-postgres and JDBC's parsers decode them.
 *
 * It carries no search_path: libpq refuses one in a URL and PgBouncer refuses it as a startup parameter, so it is set on
 * the role.
 *
 * @see https://www.postgresql.org/docs/17/libpq-connect.html#LIBPQ-CONNSTRING-URIS
 */
export function connectionUrl(parts: ConnectionUrlParts): string {
  const { username, password, host, port, database, sslmode = "require" } = parts;
  return `postgresql://${encode(username)}:${encode(password)}@${host}:${port}/${encode(database)}?sslmode=${sslmode}`;
}

/** RFC 3986 leaves only letters, digits and -._~ alone; encodeURIComponent leaves !'()* as well, which shells trip over. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (character) => {
    return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
  });
}
