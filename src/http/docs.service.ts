import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { describeProblems, toOpenApiSchema } from './openapi.js';

const DESCRIPTION =
  'Self-hosted, rules-driven notifier for finished transcripts. Every route under `/v1` takes `Authorization: Bearer KEY`; ' +
  'lists are pages `{items, nextCursor}`; errors are `application/problem+json` with a stable `code`.';

/** The OpenAPI document of all routes that the application has. Schemas are those that check the requests. */
export function buildOpenApi(app: NestFastifyApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setTitle('Herald')
    .setDescription(DESCRIPTION)
    .setVersion('1')
    .setLicense('MIT', 'https://opensource.org/license/mit')
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: 'An API key: herald_…' })
    .build();
  const document = SwaggerModule.createDocument(app, config, {
    operationIdFactory: (controller, method) => `${controller.replace(/Controller$/, '')}_${method}`,
    standardSchemaConverter: (schema, { schemaType }) => toOpenApiSchema(schema, schemaType),
  });
  return describeProblems<OpenAPIObject>(document);
}

/** Serves the document at /openapi.json and a page to read and try it at /docs, from the installed package only. */
export function serveDocs(app: NestFastifyApplication): void {
  SwaggerModule.setup('docs', app, () => buildOpenApi(app), {
    jsonDocumentUrl: 'openapi.json',
    raw: ['json'],
    customSiteTitle: 'Herald API',
    swaggerOptions: { validatorUrl: 'none', tryItOutEnabled: true, displayRequestDuration: true },
  });
}
