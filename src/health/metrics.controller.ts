import { Controller, Get, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Public } from '../http/api-key.guard.js';
import { Metrics } from '../metrics.service.js';

/**
 * Public on purpose. Prometheus scrapes without a credential by default, Herald listens on loopback by default, and what is shown are counts
 * by outcome and channel: no id, no address, no name that somebody typed. Who exposes the port and minds the counts keeps the path out at
 * the proxy.
 */
@ApiTags('health')
@Public()
@Controller('metrics')
export class MetricsController {
  constructor(private readonly metrics: Metrics) {}

  @Get()
  @ApiOperation({ summary: 'Counts, times and queue depths for Prometheus' })
  @ApiProduces('text/plain')
  @ApiOkResponse({ description: 'Prometheus text format' })
  async scrape(@Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    void reply.type(this.metrics.registry.contentType);
    return this.metrics.registry.metrics();
  }
}
