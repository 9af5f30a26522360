import pg from 'pg';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { ApiKeyEntity } from '../http/api-key.entity.js';
import { CallbackEntity } from '../callbacks/callback.entity.js';
import { AttemptEntity, DeliveryEntity } from '../deliveries/delivery.entity.js';
import { EscalationEntity } from '../escalations/escalation.entity.js';
import { JobEntity } from '../jobs/job.entity.js';
import { ConsentEntity, ContactEntity, GroupEntity, SuppressionEntity } from '../recipients/contact.entity.js';
import { EvaluationEntity } from '../rules/evaluation.entity.js';
import { RedactionEntity } from '../redaction/redaction.entity.js';
import { RuleEntity, RuleVersionEntity } from '../rules/rule.entity.js';
import { TemplateEntity } from '../templates/template.entity.js';
import { TranscriptEntity } from '../transcripts/transcript.entity.js';
import { AuditEntity, MetaEntity } from './audit.entity.js';
import { First1700000000001 } from './migrations/0001-first.js';
import { Reliability1700000000002 } from './migrations/0002-reliability.js';
import { Trust1700000000003 } from './migrations/0003-trust.js';

export type DatabaseSettings = { kind: 'sqlite'; file: string } | { kind: 'postgres'; url: string };

const entities = [
  ApiKeyEntity,
  AttemptEntity,
  AuditEntity,
  CallbackEntity,
  ConsentEntity,
  ContactEntity,
  DeliveryEntity,
  EscalationEntity,
  EvaluationEntity,
  GroupEntity,
  JobEntity,
  MetaEntity,
  RedactionEntity,
  RuleEntity,
  RuleVersionEntity,
  SuppressionEntity,
  TemplateEntity,
  TranscriptEntity,
];

export const migrations = [First1700000000001, Reliability1700000000002, Trust1700000000003];

/** A short wait for a locked file: the driver is synchronous, so a longer one would stop the whole process. */
const BUSY_TIMEOUT_MS = 20;

/**
 * Between two of its users a client of the pool has a moment without a listener, and an error that nobody hears would end the process.
 * Nothing is hidden: whoever uses the client is told by its statement.
 */
class HeardClient extends pg.Client {
  constructor(options?: pg.ClientConfig) {
    super(options);
    this.on('error', () => undefined);
  }
}

/** A server that does not answer must not hold whoever asks for ever. The server's own limit comes first: it ends the statement. */
const PATIENCE = {
  connectTimeoutMS: 5_000,
  extra: {
    Client: HeardClient,
    statement_timeout: 12_000,
    query_timeout: 15_000,
    idle_in_transaction_session_timeout: 30_000,
    keepAlive: true,
  },
};

/**
 * The source that writes. Runs no migration by itself.
 * @param patience `patient`: statements may take as long as they need (migrations)
 */
export function writeSource(settings: DatabaseSettings, patience: 'limited' | 'patient' = 'limited'): DataSource {
  return new DataSource(
    settings.kind === 'sqlite'
      ? {
          ...shared,
          type: 'better-sqlite3',
          database: settings.file,
          timeout: BUSY_TIMEOUT_MS,
          enableWAL: true,
          prepareDatabase: (database: SqliteHandle) => {
            database.pragma('journal_mode = WAL');
            // The driver is compiled to run WAL with NORMAL, which does not sync a commit: an acknowledged callback could be lost.
            database.pragma('synchronous = FULL');
            database.pragma('secure_delete = ON');
            database.pragma('journal_size_limit = 67108864');
            database.pragma(PAGE_CACHE);
          },
        }
      : {
          ...shared,
          type: 'postgres',
          url: settings.url,
          poolSize: 10,
          parseInt8: true,
          ...(patience === 'limited' ? PATIENCE : { connectTimeoutMS: 10_000, extra: { Client: HeardClient } }),
        },
  );
}

/** A second, read-only source for SQLite, so that no read waits in, or sees the inside of, a write transaction. */
export function readSource(settings: DatabaseSettings): DataSource | undefined {
  if (settings.kind !== 'sqlite') return undefined;
  return new DataSource({
    ...shared,
    type: 'better-sqlite3',
    database: settings.file,
    timeout: BUSY_TIMEOUT_MS,
    readonly: true,
    fileMustExist: true,
    prepareDatabase: (database: SqliteHandle) => {
      database.pragma(PAGE_CACHE);
    },
  });
}

/** 4 MB a connection: the driver's 16 MB are memory that the system's own cache of the file makes up for. */
const PAGE_CACHE = 'cache_size = -4000';

const shared = {
  entities,
  migrations,
  migrationsTransactionMode: 'all',
  synchronize: false,
  logging: false,
} satisfies Partial<DataSourceOptions>;

/** What is used of better-sqlite3's handle. */
interface SqliteHandle {
  pragma(source: string): unknown;
}
