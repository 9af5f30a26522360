import {
  applyDecorators,
  createParamDecorator,
  Injectable,
  SetMetadata,
  type CanActivate,
  type ExecutionContext,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { ApiBearerAuth, ApiSecurity } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { ForbiddenError, UnauthorizedError } from '../errors.js';
import { Metrics } from '../metrics.service.js';
import type { Scope } from './api-key.entity.js';
import { ApiKeysStore } from './api-keys.store.js';
import { FailureLimiter } from './failure-limiter.service.js';
import { allows, type Principal } from './principal.js';

export type { Principal } from './principal.js';

/** Metadata key under which a route says who may call it. */
export const ACCESS = 'herald:access';

/** A route (or all routes of a controller) needs a key with this scope. The method's own declaration wins. */
export const RequireScope = (scope: Scope): MethodDecorator & ClassDecorator =>
  applyDecorators(SetMetadata(ACCESS, scope), ApiBearerAuth());

/** Anybody may call the route; it has credentials of its own, or nothing to hide. */
export const Public = (): MethodDecorator & ClassDecorator =>
  applyDecorators(SetMetadata(ACCESS, 'public'), ApiSecurity({}));

interface Authenticated {
  principal?: Principal;
}

/** The key that the request came with. Only on routes with {@link RequireScope}. */
export const Actor = createParamDecorator((_data: unknown, context: ExecutionContext): Principal => {
  const { principal } = context.switchToHttp().getRequest<Authenticated>();
  if (!principal) throw new Error('@Actor() is on a route without @RequireScope()');
  return principal;
});

/** Refused credentials a source address may show within a minute before it is told to wait. */
const FAILURES_A_MINUTE = 20;

/** Deny by default: a route that declares neither a scope nor Public is refused here, and the process does not even start with one. */
@Injectable()
export class ApiKeyGuard implements CanActivate {
  private readonly failures = new FailureLimiter(
    FAILURES_A_MINUTE,
    'Too many refused keys from this address: wait, then try again',
  );

  constructor(
    private readonly reflector: Reflector,
    private readonly keys: ApiKeysStore,
    private readonly metrics: Metrics,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const access = this.reflector.getAllAndOverride<Scope | 'public' | undefined>(ACCESS, [
      context.getHandler(),
      context.getClass(),
    ]);
    if (access === 'public') return true;
    if (!access) throw new ForbiddenError('The route does not say who may call it');
    const request = context.switchToHttp().getRequest<FastifyRequest & Authenticated>();
    const principal = await this.authenticate(request);
    if (!allows(principal, access)) throw new ForbiddenError(`The key needs the scope ${access}`);
    request.principal = principal;
    return true;
  }

  /** A right key always passes, whatever its source address did before: nobody can lock the operator out. */
  private async authenticate(request: FastifyRequest): Promise<Principal> {
    const key = bearerToken(request.headers.authorization);
    const principal = key === undefined ? undefined : await this.keys.find(key);
    if (principal) return principal;
    this.metrics.authFailures.inc({ area: 'api' });
    await this.failures.count(request.ip);
    throw new UnauthorizedError(
      key === undefined ? 'Send Authorization: Bearer KEY' : 'The API key is not known, or it was revoked',
    );
  }
}

/** The token of `Bearer TOKEN`; undefined for anything else. */
export function bearerToken(header: string | undefined): string | undefined {
  return /^Bearer +([\w.~+/=-]{1,512}) *$/i.exec(header ?? '')?.[1];
}
