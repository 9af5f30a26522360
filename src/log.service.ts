import { pino, type Logger } from 'pino';

/** Values of a log line: ids, names, numbers and codes. Never an address, a secret or a word of a transcript. */
export type LogFields = Record<string, string | number | boolean | undefined>;

/** One wide line a unit of work, as JSON; `event` names the unit (`callback.received`, `delivery.attempted`). */
export class Log {
  private readonly logger: Logger;

  constructor(level: string, destination?: { write(line: string): void }) {
    const options = {
      level,
      base: undefined,
      messageKey: 'event',
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
    };
    this.logger = destination ? pino(options, destination) : pino(options);
  }

  debug(event: string, fields: LogFields = {}): void {
    this.logger.debug(fields, event);
  }

  info(event: string, fields: LogFields = {}): void {
    this.logger.info(fields, event);
  }

  warn(event: string, fields: LogFields = {}): void {
    this.logger.warn(fields, event);
  }

  /** Someone must act. */
  error(event: string, fields: LogFields = {}): void {
    this.logger.error(fields, event);
  }
}

/**
 * What may be logged of an error: its name and code, never its message (which can hold a query's parameters or a vendor's text).
 */
export function errorFields(error: unknown): { error: string; errorCode?: string } {
  if (!(error instanceof Error)) return { error: typeof error };
  const inner = 'driverError' in error && error.driverError instanceof Error ? error.driverError : error;
  return 'code' in inner && typeof inner.code === 'string'
    ? { error: error.name, errorCode: inner.code }
    : { error: error.name };
}
