/** What shares PostgreSQL's max_connections. */
export interface ConnectionBudget {
  readonly maxConnections: number;
  /** Left to direct clients: schema migrations, monitoring, the operator, superuser_reserved_connections. */
  readonly reservedConnections: number;
  readonly poolerInstances: number;
  /** Server connections that one PgBouncer pod may hold to the database (max_db_connections). */
  readonly poolerMaxDatabaseConnections: number;
}

/** PgBouncer pods that a rolling update runs beside those that serve; the pooler's Deployment is held to it. */
export const poolerSurge = 1;

/** The most server connections that all PgBouncer pods can hold at once, in the middle of a rolling update. */
export function pooledConnections(budget: ConnectionBudget): number {
  return (budget.poolerInstances + poolerSurge) * budget.poolerMaxDatabaseConnections;
}

/** Whether PostgreSQL can serve every pooled and every reserved connection at the same time. */
export function fitsConnectionBudget(budget: ConnectionBudget): boolean {
  return pooledConnections(budget) + budget.reservedConnections <= budget.maxConnections;
}
