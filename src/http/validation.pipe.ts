import { Injectable, StandardSchemaValidationPipe, type ArgumentMetadata } from '@nestjs/common';
import { RequestInvalidError } from '../errors.js';
import { jsonPointer, parameterName, toFieldErrors } from './schema-issues.js';

/**
 * Checks every `@Body({schema})`, `@Query({schema})` and `@Param(name, {schema})` and hands the parsed value on. A parameter without a
 * schema would pass unchecked; RouteCheck refuses to start with one.
 */
@Injectable()
export class ValidationPipe extends StandardSchemaValidationPipe {
  /** @throws RequestInvalidError with a pointer for each field that is wrong */
  override async transform<T = unknown>(value: T, metadata: ArgumentMetadata): Promise<T> {
    const { schema, type, data } = metadata;
    if (!schema || !this.toValidate(metadata)) return value;
    refusePrototypes(value);
    const result = await this.validate(value, schema);
    if (!result.issues) return result.value as T;
    const pointTo = type === 'body' ? jsonPointer : parameterName;
    const errors = toFieldErrors(result.issues, schema, (path) => pointTo(data === undefined ? path : [data, ...path]));
    throw new RequestInvalidError(`The ${PLACES[type]} is not as this route takes it; see errors`, { errors });
  }
}

const PLACES = { body: 'body', query: 'query', param: 'path', custom: 'request' } as const;

/** A query is parsed into an object without a prototype, where `__proto__` is a plain name; it must not travel on as one. */
function refusePrototypes(value: unknown): void {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, '__proto__')) return;
  throw new RequestInvalidError('The request holds a forbidden name', {
    errors: [{ pointer: '__proto__', message: 'is a name that nothing here may have' }],
  });
}
