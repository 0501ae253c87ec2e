/** What a PostgreSQL connection URL says. */
export interface ConnectionUrlParts {
  readonly username: string;
  readonly password: string;
  readonly host: string;
  readonly port: number;
  readonly database: string;
}

/**
 * A PostgreSQL connection URL that insists on TLS. User, password and database are percent-encoded, so any password
 * survives; libpq, pgx, node-postgres and JDBC's parsers decode them.
 *
 * It carries no search_path: libpq refuses one in a URL and PgBouncer refuses it as a startup parameter, so it is set on
 * the role.
 *
 * @see https://www.postgresql.org/docs/17/libpq-connect.html#LIBPQ-CONNSTRING-URIS
 */
export function connectionUrl({ username, password, host, port, database }: ConnectionUrlParts): string {
  return `postgresql://${encode(username)}:${encode(password)}@${host}:${port}/${encode(database)}?sslmode=require`;
}

/** RFC 3986 leaves only letters, digits and -._~ alone; encodeURIComponent leaves !'()* as well, which shells trip over. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (character) => {
    return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
  });
}
