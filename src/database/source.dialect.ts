import type { DataSource } from 'typeorm';
import type { Dialect } from './dialect.js';
import { postgresDialect } from './postgres.dialect.js';
import { sqliteDialect } from './sqlite.dialect.js';

/** The only place that asks a source for its driver. */
export function dialectOf(source: DataSource): Dialect {
  return source.options.type === 'postgres' ? postgresDialect : sqliteDialect;
}
