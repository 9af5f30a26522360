import type { LoggerService } from '@nestjs/common';
import { errorFields, type Log, type LogFields } from '../log.service.js';

/** A framework's own text is short; what is longer carries something that is not its own. */
const MAX_TEXT = 200;

/** Nest's own lines, as structured as ours. Chatter of the start goes to debug; of errors only name and code are kept. */
export class NestLog implements LoggerService {
  constructor(private readonly logger: Log) {}

  log(message: unknown, ...rest: unknown[]): void {
    this.logger.debug('nest.log', fieldsOf(message, rest));
  }

  debug(message: unknown, ...rest: unknown[]): void {
    this.logger.debug('nest.log', fieldsOf(message, rest));
  }

  verbose(message: unknown, ...rest: unknown[]): void {
    this.logger.debug('nest.log', fieldsOf(message, rest));
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.logger.warn('nest.warn', fieldsOf(message, rest));
  }

  error(message: unknown, ...rest: unknown[]): void {
    this.logger.error('nest.error', fieldsOf(message, rest));
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.logger.error('nest.error', fieldsOf(message, rest));
  }
}

/** Nest passes the context as the last of the parameters, and a stack before it, which is dropped. */
function fieldsOf(message: unknown, rest: unknown[]): LogFields {
  const context = rest.at(-1);
  const fields = typeof context === 'string' && !context.includes('\n') ? { context } : {};
  if (message instanceof Error) return { ...fields, ...errorFields(message) };
  const text = typeof message === 'string' ? message : 'an object';
  return { ...fields, message: text.split('\n', 1)[0]?.slice(0, MAX_TEXT) ?? '' };
}
