import { Injectable, type OnApplicationBootstrap, type Type } from '@nestjs/common';
import { METHOD_METADATA, ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';
import { DiscoveryService, MetadataScanner, Reflector } from '@nestjs/core';
import { PluginError } from '../errors.js';
import { ACCESS } from './api-key.guard.js';

/** What is read of a route's parameters: `TYPE:INDEX` → its decorator's arguments. */
type RouteArguments = Record<string, { data?: unknown; schema?: unknown }>;

/** Numbers that Nest gives the decorators whose values come from the sender. */
const CHECKED: Partial<Record<string, string>> = { 3: '@Body', 4: '@Query', 5: '@Param' };

/**
 * Refuses to start when a route does not say who may call it, or takes a parameter that no schema checks. Nest itself lets both pass,
 * and a test can only find them in the routes that it knows.
 */
@Injectable()
export class RouteCheck implements OnApplicationBootstrap {
  private readonly scanner = new MetadataScanner();

  constructor(
    private readonly discovery: DiscoveryService,
    private readonly reflector: Reflector,
  ) {}

  /** @throws PluginError that names every route at fault and the line to add */
  onApplicationBootstrap(): void {
    const problems = this.problems();
    if (problems.length > 0) throw new PluginError(problems.join('\n'));
  }

  /** One sentence for each fault, over all controllers of the application. */
  problems(): string[] {
    const controllers = this.discovery.getControllers().map(({ metatype }) => metatype);
    return controllers.flatMap((controller) =>
      typeof controller === 'function' ? this.problemsOf(controller as Type) : [],
    );
  }

  private problemsOf(controller: Type): string[] {
    return this.routesOf(controller).flatMap(({ name, handler }) => {
      const route = `${controller.name}.${name}`;
      const access: unknown = this.reflector.getAllAndOverride(ACCESS, [handler, controller]);
      const unchecked = uncheckedParameters(controller, name).map(
        (decorator) =>
          `${route} takes ${decorator} without a schema: add {schema}, a strict object for a body or a query.`,
      );
      return access === undefined
        ? [`${route} does not say who may call it: add @RequireScope(...) or @Public().`, ...unchecked]
        : unchecked;
    });
  }

  private routesOf(controller: Type): { name: string; handler: () => unknown }[] {
    const prototype = controller.prototype as Record<string, () => unknown>;
    return this.scanner
      .getAllMethodNames(prototype)
      .map((name) => ({ name, handler: prototype[name] }))
      .filter(
        (route): route is { name: string; handler: () => unknown } =>
          route.handler !== undefined && Reflect.hasMetadata(METHOD_METADATA, route.handler),
      );
  }
}

function uncheckedParameters(controller: Type, method: string): string[] {
  const parameters = (Reflect.getMetadata(ROUTE_ARGS_METADATA, controller, method) ?? {}) as RouteArguments;
  return Object.entries(parameters).flatMap(([key, { data, schema }]) => {
    const decorator = CHECKED[key.split(':', 1)[0] ?? ''];
    if (!decorator || schema !== undefined) return [];
    return [`${decorator}(${typeof data === 'string' ? `'${data}'` : ''})`];
  });
}
