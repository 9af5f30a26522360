import { PreconditionFailedError, PreconditionRequiredError } from '../errors.js';

/** Entity tag of a stored version. */
export function etagOf(version: number): string {
  return `"v${String(version)}"`;
}

/**
 * @param ifMatch the If-Match header
 * @throws PreconditionRequiredError without one, PreconditionFailedError when it names another version
 */
export function requireMatch(ifMatch: string | undefined, version: number): void {
  if (ifMatch === undefined || ifMatch === '') {
    throw new PreconditionRequiredError(
      'Send If-Match with the ETag that you read, so that nobody else’s change is overwritten',
    );
  }
  const tags = ifMatch.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  if (!tags.includes('*') && !tags.includes(etagOf(version))) {
    throw new PreconditionFailedError(
      `The current version is ${etagOf(version)}; read it again and repeat your change on it`,
    );
  }
}
